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

// Where the sockets and polls of clients made now go: {network, server}.
let place;
let count = 0;

const Polling = Object.assign(Class(Transport, {
  encode: (messages) => JSON.stringify(messages),

  request(messages) {
    const { network, server } = this.place || (this.place = place);
    const sent = JSON.parse(JSON.stringify(messages));
    const carrier = {
      kind: 'poll',
      send: (replies) => {
        const text = JSON.stringify(replies);
        carrier.parcel = network.add(new Parcel('reply', `← ${summary(replies)}`, () => {
          if (network.polls.delete(carrier)) this._receive(JSON.parse(text));
        }, () => carrier.fail(), { messages: replies }));
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

sockets.create = () => new Socket(place.network, place.server, ++count);
Transport._transports.length = 0;
Transport.register('websocket', WebSocketTransport);
Transport.register('long-polling', Polling);

const asWritten = Channel.Set.prototype.hasSubscription;
const asMeant = function (name) { return this._channels.has(name); };

// transport: 'websocket' or 'long-polling'. single: a channel that is held is not subscribed to a second
// time, as Faye's authors mean it (1.4.3 asks a Map for an own property, and so always subscribes).
function createClient(where, { transport = 'websocket', single = false } = {}) {
  place = where;
  const client = new FayeClient('http://server/faye', { retry: 1 });
  if (transport === 'long-polling') client.disable('websocket');
  client._channels.hasSubscription = single ? asMeant : asWritten;
  return client;
}

module.exports = { createClient };
