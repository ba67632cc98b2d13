// Runs one client's commands in Node: a JSON command on each line of stdin, a JSON event on each line of stdout.
//
//   node node.mjs faye
import readline from 'node:readline';

const tell = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const { default: make, isUsual = () => false } = await import(`./${process.argv[2]}.mjs`);
const fault = (error) => tell({ event: 'fault', text: String((error && error.stack) || error) });
process.on('unhandledRejection', (error) => { if (!isUsual(error)) fault(error); });
process.on('uncaughtException', fault);

const commands = make(tell);
readline.createInterface({ input: process.stdin })
  .on('line', (line) => { const command = JSON.parse(line); commands[command.do](command); })
  .on('close', () => process.exit(0));
tell({ event: 'ready' });
