// Faye's own client, unmodified: in Node, and in a page that has loaded its browser build.
import promised from './promised.mjs';

const Faye = globalThis.Faye || (await import('faye')).default;

// In the order in which it tries them; it shakes hands over the last three only.
const TRANSPORTS = ['websocket', 'eventsource', 'long-polling', 'cross-origin-long-polling', 'callback-polling'];

// The documented extension, as a user of Node copies it.
async function documented() {
  const { readFile } = await import('node:fs/promises');
  const page = await readFile(new URL('../../../docs/bayeux.md', import.meta.url), 'utf-8');
  const [text] = /^function positions[^]*?^}$/m.exec(page);
  return new Function(`${text}\nreturn positions;`)();
}
const positions = globalThis.Faye ? null : await documented();

export default (tell) => promised(tell, ({ url, transport, options }) => {
  // With a stream each answer is waited for no longer than 1.2 times this.
  const retry = transport === 'eventsource' ? 1 : 0.2;
  const client = new Faye.Client(url, { retry, timeout: 5 });
  for (const other of TRANSPORTS.slice(0, TRANSPORTS.indexOf(transport))) client.disable(other);
  if (options.since) positions(client);
  return client;
}, (error) => error.code);
