// The commands of the clients whose `subscribe` and `publish` return promises: Faye's, and Halley's.
//
// `make(command)` makes a client as its `open` says; `code(error)` is what is told of a refusal.
export default (tell, make, code) => {
  const clients = new Map();
  const called = new Map();
  const refused = (name, channel) => (error) => tell({ event: 'refused', name, channel, error: code(error) });
  const publish = (name, { channel, data }) => clients.get(name).publish(channel, data).then(
    () => tell({ event: 'published', name, channel }), refused(name, channel)
  );
  return {
    open(command) {
      const { name } = command;
      const client = make(command);
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
    reset({ name }) { clients.get(name).reset(); },
    disconnect({ name }) { clients.get(name).disconnect().then(() => tell({ event: 'disconnected', name })); }
  };
};
