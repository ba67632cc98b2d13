// CometD's own client, unmodified: in a page, and in Node with what its authors made for Node.
if (!globalThis.window) (await import('cometd-nodejs-client')).adapt();
const { CometD, AckExtension } = await import('cometd');

const TRANSPORTS = ['websocket', 'long-polling', 'callback-polling'];

export default (tell) => {
  const clients = new Map();
  const told = (name, channel, event) => ({ successful, error }) => (
    successful ? tell({ event, name, channel }) : tell({ event: 'refused', name, channel, error })
  );
  const publish = (name, { channel, data }) => (
    clients.get(name).client.publish(channel, data, told(name, channel, 'published'))
  );
  // Its subscriptions go with each handshake: the application makes them again, says its documentation.
  const subscribe = (name, channel) => {
    // Who listens to `/**` is called with replies too, which have no data.
    const heard = ({ data }) => { if (data !== undefined) tell({ event: 'message', name, channel, data }); };
    clients.get(name).client.subscribe(channel, heard, told(name, channel, 'subscribed'));
  };
  return {
    open({ name, url, transport, options }) {
      const client = new CometD(name);
      const channels = new Set();
      clients.set(name, { client, channels });
      for (const other of TRANSPORTS) if (other !== transport) client.unregisterTransport(other);
      if (options.ack) client.registerExtension('ack', new AckExtension());
      client.addListener('/meta/handshake', ({ successful, clientId }) => {
        if (!successful) return;
        tell({ event: 'handshake', name, clientId });
        for (const channel of channels) subscribe(name, channel);
      });
      client.addListener('/meta/connect', ({ successful }) => { if (successful) tell({ event: 'connect', name }); });
      // In Node all clients of a process would share their cookies.
      client.findTransport(transport).context = { cookieStore: {} };
      client.configure({ url, maxNetworkDelay: 3000, backoffIncrement: 100, maxBackoff: 400, logLevel: 'warn' });
      client.handshake();
    },
    subscribe({ name, channel }) {
      const { client, channels } = clients.get(name);
      channels.add(channel);
      if (client.getStatus() !== 'handshaking') subscribe(name, channel);
    },
    publish({ name, channel, data }) { publish(name, { channel, data }); },
    batch({ name, messages }) {
      clients.get(name).client.batch(() => { for (const message of messages) publish(name, message); });
    },
    call({ name, channel, data }) {
      clients.get(name).client.remoteCall(channel.replace('/service/', ''), data, 5000, ({ successful, data: answer }) => (
        tell(successful ? { event: 'answered', name, data: answer } : { event: 'refused', name, channel, error: answer })
      ));
    },
    disconnect({ name }) { clients.get(name).client.disconnect(() => tell({ event: 'disconnected', name })); }
  };
};
