'use strict';

// Tells the server where a Faye client is, so that it is sent what it missed. `lost(name)`: read that anew.
function positions(client, lost = () => {}, at = {}) {
  const move = (name, seq) => { at[name] = seq; };
  client.addExtension({
    outgoing(message, next) {
      if (message.channel === '/meta/subscribe') message.ext = { ...message.ext, live: { since: at } };
      if (message.channel === '/meta/connect') message.ext = { ...message.ext, live: { at } };
      next(message);
    },
    incoming(message, next) {
      const { channel, data, ext: { live = {} } = {} } = message, answer = live.seq || {};
      if (channel.startsWith('/meta/')) {
        for (const name of live.reset || []) { delete at[name]; lost(name); }
        for (const name in answer) if (!(name in at) || channel === '/meta/connect') move(name, answer[name]);
        return next(message);
      }
      const seq = live.seq || (data && data.method && data.seq), last = at[channel];
      if (seq && last && seq.slice(0, 8) === last.slice(0, 8) && seq <= last) return next(null); // a repeat
      if (seq) move(channel, seq);
      if (live.reset || (data && data.method === 'RESET')) lost(channel);
      next(message);
    },
  });
}

module.exports = positions;
