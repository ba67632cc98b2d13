// livecollections.js over CometD's own client, unmodified, in Node: a collection that a user holds, and what it says.
import { createRequire } from 'node:module';
import { adapt } from 'cometd-nodejs-client';

adapt();
const { CometD } = await import('cometd');
const require = createRequire(import.meta.url);
const Backbone = require('backbone');
const _ = require('underscore');
const makeAjax = require('../../js/ajax');
const LiveCollection = require('../../../src/livecollections/browser/livecollections.js');

const TRANSPORTS = ['websocket', 'long-polling', 'callback-polling'];

// Without a timeout a request on a connection that died silently would never be answered. What is asked again is not
// `unsaved` until that has failed, too: how many are unanswered is told beside.
const ajax = makeAjax('', 3000);
let unanswered = 0;
Backbone.ajax = (params) => {
  const done = (name) => (...told) => { unanswered -= 1; params[name](...told); };
  unanswered += 1;
  return ajax({ ...params, success: done('success'), error: done('error') });
};

export default (tell) => {
  const collections = new Map();
  const failed = (name) => () => tell({ event: 'failed', name });
  return {
    // With no other transport to go to, it gives up when a handshake on a WebSocket breaks: `options.fallback` leaves one.
    open({ name, url, transport, options }) {
      const client = new CometD(name), kept = options.fallback ? [transport, 'long-polling'] : [transport];
      for (const other of _.difference(TRANSPORTS, kept)) client.unregisterTransport(other);
      for (const channel of ['/meta/handshake', '/meta/connect', '/meta/disconnect']) {
        const told = ({ successful }) => { if (successful) tell({ event: channel.slice(6), name }); };
        client.addListener(channel, told);
      }
      client.addListener('/meta/unsuccessful', ({ channel, error }) => tell({ event: 'unsuccessful', name, channel, error }));
      client.addListener('/meta/subscribe', ({ successful, ext }) => {
        if (ext && ext.live && ext.live.reset) tell({ event: 'reset', name });
        if (successful) tell({ event: 'subscribed', name });
      });
      for (const type of kept) client.findTransport(type).context = { cookieStore: {} };
      client.configure({ url, maxNetworkDelay: 3000, backoffIncrement: 100, maxBackoff: 400, logLevel: 'warn' });
      client.handshake();
      const Todos = LiveCollection.extend({ url: url.replace('/faye', '/api/todos') });
      Todos.connect(client, { timeout: 3 });
      const collection = new Todos();
      collection.on('live', (one, state) => tell({ event: 'live', name, state }));
      collection.on('add remove change', (model, ...rest) => {
        const options = rest[rest.length - 1];
        if (options.live) tell({ event: 'pushed', name, id: model.id });
      });
      collections.set(name, { client, collection });
    },
    create({ name, data, wait }) { collections.get(name).collection.create(data, { wait, error: failed(name) }); },
    save({ name, id, data, wait }) {
      const model = collections.get(name).collection.get(id);
      if (model) model.save(data, { wait, error: failed(name) });
    },
    destroy({ name, id, wait }) {
      const model = collections.get(name).collection.get(id);
      if (model) model.destroy({ wait, error: failed(name) });
    },
    // What failed is the user's to repeat.
    repeat({ name }) {
      for (const model of collections.get(name).collection.filter((one) => one.unsaved)) {
        model.save(null, { error: failed(name) });
      }
    },
    fetch({ name }) { collections.get(name).collection.fetch(); },
    show({ name, number }) {
      const { collection } = collections.get(name);
      tell({
        event: 'shown', name, number, state: collection.live, rows: collection.toJSON(),
        unsaved: unanswered + collection.filter((model) => model.unsaved || model.isNew()).length
      });
    },
    disconnect({ name }) {
      const { client, collection } = collections.get(name);
      collection.unlisten();
      client.disconnect(() => tell({ event: 'disconnected', name }));
    }
  };
};
