// Faye's own server, unmodified: tells its port, and publishes what it is told to, by JSON lines as the clients.
import http from 'node:http';
import readline from 'node:readline';
import faye from 'faye';

const tell = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const bayeux = new faye.NodeAdapter({ mount: '/faye', timeout: Number(process.argv[2]) });
const server = http.createServer();
bayeux.attach(server);
bayeux.on('subscribe', (clientId, channel) => tell({ event: 'heard', channel }));
const client = bayeux.getClient();

readline.createInterface({ input: process.stdin })
  .on('line', (line) => { const { channel, data } = JSON.parse(line); client.publish(channel, data); })
  .on('close', () => process.exit(0));
server.listen(0, '127.0.0.1', () => tell({ event: 'ready', port: server.address().port }));
