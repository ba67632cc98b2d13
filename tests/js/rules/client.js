// Faye's own client, unmodified, over a network on which a test decides what arrives.
//
// Rule: only the two ends that touch a wire are ours: the socket that Faye's WebSocket transport opens, and
// a long-polling transport. Retries, timeouts, re-handshakes and re-subscriptions are Faye's.
'use strict';

const FayeClient = require('faye/src/protocol/client');
const Channel = require('faye/src/protocol/channel');
const Transport = require('faye/src/transport/transport');
const WebSocketTransport = require('faye/src/transport/web_socket');
const Class = require('faye/src/util/class');
const sockets = require('faye/src/util/websocket');
const { Parcel, Socket, summary } = require('./network');

// Where the sockets and polls of each client go, by the number at the end of its endpoint.
const places = new Map();
let clients = 0;
let count = 0;

const placeOf = (url) => places.get(url.slice(url.lastIndexOf('/') + 1));

const Polling = Object.assign(Class(Transport, {
  encode: (messages) => JSON.stringify(messages),

  request(messages) {
    const { network, server, owner, afresh } = placeOf(this.endpoint.href);
    const sent = afresh(JSON.parse(JSON.stringify(messages)));
    const carrier = {
      kind: 'poll',
      send: (replies) => {
        carrier.parcel = network.add(new Parcel('reply', `← ${summary(replies)}`, () => {
          if (network.polls.delete(carrier)) this._receive(JSON.parse(JSON.stringify(replies)));
        }, () => carrier.fail(), { messages: replies, owner }));
      },
      close() {
        network.drop(carrier.parcel);
        server.closed(carrier);
        return network.polls.delete(carrier);
      },
      fail: () => {
        if (carrier.close()) this._handleError(messages);
      }
    };
    network.polls.add(carrier);
    carrier.parcel = network.add(new Parcel('poll', `→ ${summary(sent)}`, () => {
      server.receive(sent, carrier);
    }, () => carrier.fail(), { messages: sent }));
    return { abort: () => carrier.close() };
  }
}), {
  isUsable: (dispatcher, endpoint, callback, context) => callback.call(context, true)
});

sockets.create = (url) => new Socket(placeOf(url), ++count);
Transport._transports.length = 0;
Transport.register('websocket', WebSocketTransport);
Transport.register('long-polling', Polling);

const asWritten = Channel.Set.prototype.hasSubscription;
const asMeant = function (name) { return this._channels.has(name); };

// transport: 'websocket' or 'long-polling'. single: a channel that is held is not subscribed to a second
// time, as Faye's authors mean it (1.4.3 asks a Map for an own property, and so always subscribes).
function createClient(where, { transport = 'websocket', single = false, mute = false } = {}) {
  const number = String(++clients);
  const client = new FayeClient(`http://server/faye/${number}`, { retry: 1 });
  const compose = (message) => {
    if (message.channel === Channel.CONNECT) client.pipeThroughExtensions('outgoing', message, null, () => {});
  };
  const afresh = (messages) => {
    if (mute) messages.forEach(compose);
    return messages;
  };
  places.set(number, { ...where, owner: client, afresh });
  if (transport === 'long-polling') client.disable('websocket');
  client._channels.hasSubscription = single ? asMeant : asWritten;
  if (mute) client.bind = client.unbind = undefined;
  return client;
}

module.exports = { createClient };
