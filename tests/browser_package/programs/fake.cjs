// A client and an ajax that answer without a server, as another Bayeux server would: no seqs, no headers.
'use strict';

module.exports = (Backbone, rows) => {
  Backbone.ajax = (options) => {
    queueMicrotask(() => options.success(rows));
    return {};
  };
  const callbacks = new Map();
  return {
    channels: () => [...callbacks.keys()],
    push: (channel, message) => callbacks.get(channel)(message),
    subscribe(channel, callback) {
      callbacks.set(channel, callback);
      return Object.assign(Promise.resolve(), { cancel: () => callbacks.delete(channel) });
    }
  };
};
