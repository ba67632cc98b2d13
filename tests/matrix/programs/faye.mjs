// Faye's own client, unmodified: in Node, and in a page that has loaded its browser build.
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

export default (tell) => {
  const clients = new Map();
  const called = new Map();
  const refused = (name, channel) => (error) => tell({ event: 'refused', name, channel, error: error.code });
  const publish = (name, { channel, data }) => clients.get(name).publish(channel, data).then(
    () => tell({ event: 'published', name, channel }), refused(name, channel)
  );
  return {
    open({ name, url, transport, options }) {
      // With a stream each answer is waited for no longer than 1.2 times this.
      const retry = transport === 'eventsource' ? 1 : 0.2;
      const client = new Faye.Client(url, { retry, timeout: 5 });
      for (const other of TRANSPORTS.slice(0, TRANSPORTS.indexOf(transport))) client.disable(other);
      if (options.since) positions(client);
      client.addExtension({
        incoming(message, next) {
          if (message.successful && /^\/meta\/(handshake|connect)$/.test(message.channel)) {
            tell({ event: message.channel.slice(6), name, clientId: message.clientId });
          }
          next(message);
        }
      });
      clients.set(name, client);
    },
    subscribe({ name, channel }) {
      const heard = (data) => tell({ event: 'message', name, channel, data });
      clients.get(name).subscribe(channel, heard).then(
        () => tell({ event: 'subscribed', name, channel }), refused(name, channel)
      );
    },
    publish({ name, channel, data }) { publish(name, { channel, data }); },
    batch({ name, messages }) { for (const message of messages) publish(name, message); },
    // The answer comes on the channel that was called.
    call({ name, channel, data }) {
      const told = (answer) => tell({ event: 'answered', name, data: answer });
      if (!called.has(name)) called.set(name, clients.get(name).subscribe(channel, told));
      called.get(name).then(() => publish(name, { channel, data }));
    },
    disconnect({ name }) { clients.get(name).disconnect().then(() => tell({ event: 'disconnected', name })); }
  };
};
