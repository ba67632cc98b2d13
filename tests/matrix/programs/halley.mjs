// Halley, Gitter's fork of Faye's client, unmodified: in Node.
import Halley from 'halley';

// It leaves a promise rejected for each socket that breaks.
export const isUsual = ({ name }) => name === 'TransportError';

export default (tell) => {
  const clients = new Map();
  const called = new Map();
  const refused = (name, channel) => (error) => tell({ event: 'refused', name, channel, error: String(error) });
  const publish = (name, { channel, data }) => clients.get(name).publish(channel, data).then(
    () => tell({ event: 'published', name, channel }), refused(name, channel)
  );
  return {
    open({ name, url, transport }) {
      const client = new Halley.Client(url, {
        retry: 200, timeout: 5000, maxNetworkDelay: 1000, disabled: transport === 'websocket' ? [] : ['websocket']
      });
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
    call({ name, channel, data }) {
      const told = (answer) => tell({ event: 'answered', name, data: answer });
      if (!called.has(name)) called.set(name, clients.get(name).subscribe(channel, told));
      called.get(name).then(() => publish(name, { channel, data }));
    },
    reset({ name }) { clients.get(name).reset(); },
    disconnect({ name }) { clients.get(name).disconnect().then(() => tell({ event: 'disconnected', name })); }
  };
};
