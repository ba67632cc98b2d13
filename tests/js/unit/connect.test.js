// Which client a collection listens on, what it says of itself, and what the client's messages carry.
'use strict';

const assert = require('node:assert/strict');
const { it } = require('node:test');
const { Wire } = require('../rules/scripted');
const { LiveCollection, CHANNEL, spell, rest, whole, push, scripted, live } = require('./made');

const fake = () => {
  const client = { extensions: [], subscribed: [] };
  client.addExtension = (extension) => client.extensions.push(extension);
  client.removeExtension = (extension) => client.extensions.splice(client.extensions.indexOf(extension), 1);
  client.subscribe = (channel) => {
    client.subscribed.push(channel);
    return { cancel: () => client.subscribed.splice(client.subscribed.indexOf(channel), 1) };
  };
  return client;
};

it('the client is the option’s, else the prototype’s, else that of the nearest connect, also after extend', async () => {
  const [option, proto, near, far] = [fake(), fake(), fake(), fake()];
  const Base = LiveCollection.extend({ url: CHANNEL });
  const Todos = Base.extend({});
  class Named extends Todos {}
  const heard = async (Class, options) => {
    const todos = new Class(null, { fetch: false, ...options });
    await rest();
    const index = [option, proto, near, far].findIndex((client) => client.subscribed.length);
    todos.unlisten();
    return index;
  };
  assert.equal(await heard(Named), -1);
  Base.connect(far);
  assert.equal(await heard(Named), 3);
  Todos.connect(near);
  assert.equal(await heard(Named), 2);
  assert.equal(await heard(Base), 3);
  class Own extends Named {}
  Own.prototype.client = proto;
  assert.equal(await heard(Own), 1);
  assert.equal(await heard(Own, { client: option }), 0);
  assert.deepEqual([option, proto, near, far].map((one) => one.extensions.length + one.subscribed.length), [0, 0, 0, 0]);
});

it('without a client nothing happens, and listen() looks again', async () => {
  const todos = new (LiveCollection.extend({ url: CHANNEL }))();
  await rest();
  assert.equal(todos.live, 'off');
  todos.client = fake();
  todos.fetch = () => {};
  assert.equal(todos.listen().live, 'connecting');
  assert.equal(todos.unlisten().live, 'off');
  assert.deepEqual(todos.client.subscribed, []);
});

it('{live: false} is off until listen(), which uses its options', async () => {
  const client = fake();
  const todos = new (LiveCollection.extend({ url: CHANNEL }))([{ id: 1 }], { live: false, client, fetch: false });
  await rest();
  assert.equal(todos.live, 'off');
  todos.listen();
  assert.deepEqual(client.subscribed, [CHANNEL]);
  assert.equal(todos.clone().live, 'off');
  todos.unlisten();
});

it('the token is asked at each handshake, and awaited', async () => {
  const client = fake();
  const tokens = ['first', Promise.resolve('second'), Promise.reject(new Error('none'))];
  tokens[2].catch(() => {});
  LiveCollection.extend({}).connect(client, { token: () => tokens.shift() });
  const shake = () => new Promise((resolve) => {
    client.extensions[0].outgoing({ channel: '/meta/handshake', ext: { other: 1 } }, (message) => resolve(message.ext));
  });
  assert.deepEqual(await shake(), { other: 1, live: { version: 1 }, token: 'first' });
  assert.deepEqual(await shake(), { other: 1, live: { version: 1 }, token: 'second' });
  assert.deepEqual(await shake(), { other: 1, live: { version: 1 } });
});

it('withCredentials goes with the requests', async () => {
  const wire = new Wire();
  const Todos = LiveCollection.extend({ url: CHANNEL });
  Todos.connect(wire.client, { withCredentials: true });
  const todos = new Todos();
  await rest();
  assert.deepEqual(wire.last.params.xhrFields, { withCredentials: true });
  todos.unlisten();
  wire.close();
});

it('the channel of a URL is its path, in Bayeux’ characters', async () => {
  const urls = {
    '/api/todos/': '/api/todos', 'http://host:80/a/b?c=d#e': '/a/b', 'rows': '/rows',
    '/s.t/ü%20x': '/s~2Et/~C3~BC~20x', '/a/~b!(c)$@-_': '/a/~b!(c)$@-_',
    '/rooms/a%2Fb/lines': '/rooms/a~2Fb/lines', '/rooms/a%2F/': '/rooms/a~2F'
  };
  for (const [url, channel] of Object.entries(urls)) {
    const client = fake();
    const todos = new (LiveCollection.extend({ url }))(null, { client, fetch: false });
    await rest();
    assert.deepEqual(client.subscribed, [channel]);
    todos.unlisten();
  }
});

scripted('Live-Channel is the authority on the channel', async (wire, make) => {
  const todos = make(null, { channel: '/guess' });
  await rest();
  wire.client.confirm(undefined, '403:/guess:Forbidden channel');
  assert.equal(todos.live, 'connecting');
  wire.list([{ id: 1 }], whole('a5'));
  await rest();
  assert.deepEqual(wire.client.listeners.map((one) => one.channel), [CHANNEL]);
  wire.client.confirm({ seq: spell('a5') });
  await rest();
  assert.equal(todos.live, 'live');
  assert.deepEqual(wire.warnings, []);
});

scripted('a refused subscription is refused, an error and a rejection, once', async (wire, make) => {
  const todos = make();
  const errors = [];
  todos.on('error', (collection, error, options) => errors.push([collection, error, options.live]));
  const waiting = todos.whenLive();
  await rest();
  wire.client.confirm(undefined, `403:${CHANNEL}:Forbidden channel`);
  wire.list([{ id: 1 }], whole('a5'));
  await assert.rejects(waiting, (error) => /403/.test(error));
  await rest();
  assert.equal(todos.live, 'refused');
  assert.deepEqual(errors, [[todos, `403:${CHANNEL}:Forbidden channel`, true]]);
  assert.equal(wire.client.unanswered.length, 0);
  assert.equal(wire.warnings.length, 1);
});

scripted('a server that does not know our version makes it stale, and nothing is applied', async (wire, make) => {
  const todos = await live(wire, make, [{ id: 1, title: 'x' }]);
  wire.client.pipe('incoming', {
    channel: '/meta/handshake', successful: true, clientId: 'd', ext: { live: { version: 2, error: 'too old' } }
  });
  assert.equal(todos.live, 'stale');
  wire.client.push([{ method: 'PUT', body: { id: 1, title: 'y' }, seq: spell('a6'), prev: spell('a5') }]);
  await rest();
  assert.equal(todos.get(1).get('title'), 'x');
  assert.match(wire.warnings[0], /too old/);
  wire.client.pipe('incoming', { channel: '/meta/handshake', successful: true, clientId: 'e', ext: { live: { version: 1 } } });
  wire.client.rehandshake();
  wire.client.confirm({ seq: spell('a5') });
  await rest();
  assert.equal(todos.live, 'live');
});

scripted('a cut says so, asks again, and is live when that is answered', async (wire, make) => {
  const todos = await live(wire, make);
  const states = [];
  todos.on('live', (collection, state) => states.push(state));
  wire.client.log.length = 0;
  wire.client.trigger('transport:down');
  assert.deepEqual(wire.client.log, ['subscribe since a5']);
  wire.client.confirm({ seq: spell('a5') });
  await rest();
  assert.deepEqual(states, ['connecting', 'live']);
});

// A client of CometD's kind, as much of it as is used: what it is told is what the server says.
function cometd() {
  const client = {
    sent: [], subscribed: new Map(), listeners: new Map(), extension: null, disconnected: true,
    registerExtension: (name, extension) => { client.extension = extension; },
    unregisterExtension: () => { client.extension = null; },
    addListener: (channel, listener) => { client.listeners.set(channel, listener); return { channel }; },
    removeListener: (handle) => client.listeners.delete(handle.channel) || client.subscribed.delete(handle.channel),
    isDisconnected: () => client.disconnected,
    subscribe(channel, callback) {
      assert.ok(!client.subscribed.has(channel), 'it would send nothing');
      const message = { channel: '/meta/subscribe', subscription: channel, id: '1' };
      client.sent.push(client.extension.outgoing(message).ext);
      client.subscribed.set(channel, callback);
      return { channel };
    },
    unsubscribe({ channel }) {
      assert.ok(!client.disconnected, 'it throws');
      client.subscribed.delete(channel);
    },
    tell(channel, message) {
      client.extension.incoming({ channel, ...message });
      client.listeners.get(channel)(message);
    },
    answer: (message) => client.extension.incoming({ channel: '/meta/subscribe', subscription: CHANNEL, id: '1', ...message }),
    confirm: () => client.answer({ successful: true, ext: { live: { seq: spell('a5') } } })
  };
  return client;
}

it('a client of CometD’s kind is served by registerExtension and listeners', async () => {
  const wire = new Wire(), client = cometd();
  const todos = new (LiveCollection.extend({ url: CHANNEL }))(null, { client });
  await rest();
  assert.equal(client.sent.length, 0);
  assert.deepEqual(client.extension.outgoing({ channel: '/meta/handshake' }).ext, { live: { version: 1 } });
  wire.list([{ id: 1, title: 'x' }], whole('a5'));
  client.disconnected = false;
  client.tell('/meta/handshake', { successful: true });
  assert.deepEqual(client.sent, [{ live: { since: spell('a5') } }]);
  client.confirm();
  client.subscribed.get(CHANNEL)({ channel: CHANNEL, data: { method: 'PUT', body: { id: 1, title: 'y' }, seq: spell('a6'), prev: spell('a5') } });
  await rest();
  assert.equal(todos.live, 'live');
  assert.equal(todos.get(1).get('title'), 'y');
  client.tell('/meta/connect', { successful: false });
  assert.equal(todos.live, 'connecting');
  todos.unlisten();
  assert.deepEqual([client.extension, client.subscribed.size, client.listeners.size], [null, 0, 0]);
  wire.close();
});

it('CometD’s client is asked again when its connects succeed again, until the server has answered', async () => {
  const wire = new Wire(), client = cometd();
  client.disconnected = false;
  const todos = new (LiveCollection.extend({ url: CHANNEL }))(null, { client, seq: spell('a5') });
  await rest();
  client.confirm();
  await rest();
  assert.equal(todos.live, 'live');
  client.tell('/meta/connect', { successful: true });
  assert.equal(client.sent.length, 1, 'nothing is lacking');
  client.tell('/meta/connect', { successful: false });
  client.tell('/meta/connect', { successful: false });
  assert.equal(todos.live, 'connecting');
  client.tell('/meta/connect', { successful: true });
  client.tell('/meta/connect', { successful: true });
  assert.deepEqual(client.sent.slice(1), [{ live: { since: spell('a5') } }]);
  // The request is lost, on a line that polls do not use; no extension hears of that.
  client.listeners.get('/meta/subscribe')({ successful: false, failure: {}, subscription: CHANNEL });
  client.tell('/meta/connect', { successful: true });
  assert.equal(client.sent.length, 3);
  client.confirm();
  await rest();
  assert.equal(todos.live, 'live');
  client.tell('/meta/connect', { successful: false });
  client.tell('/meta/connect', { successful: true });
  const quiet = console.warn;
  console.warn = () => {};
  client.answer({ successful: false, error: '403:/api/todos:Forbidden channel' });
  console.warn = quiet;
  assert.equal(todos.live, 'refused');
  client.tell('/meta/connect', { successful: true });
  assert.equal(client.sent.length, 4, 'who was refused is not asked in a loop');
  client.disconnected = true;
  todos.unlisten();
  assert.equal(client.extension, null);
  wire.close();
});

for (const wentBack of [false, true]) {
  const title = wentBack ? 'a log that went back shows, though another collection of the stream is behind'
    : 'a new session goes on from the latest position, and who is not there yet resumes';
  scripted(title, async (wire, make) => {
    const behind = await live(wire, make, [{ id: 1 }]);
    const ahead = make();
    await rest();
    wire.list([{ id: 1 }], whole('a7'));
    await rest();
    assert.deepEqual([behind.live, ahead.live], ['live', 'live']);
    const ext = { live: { version: 1 } };
    wire.client.pipe('incoming', { channel: '/meta/handshake', successful: true, clientId: 'd', ext });
    wire.client.log.length = 0;
    wire.client.rehandshake();
    wire.client.confirm(wentBack ? { seq: spell('a6'), reset: true } : { seq: spell('a7') });
    await rest();
    assert.deepEqual(wire.client.log, ['subscribe since a7', ...wentBack ? ['list', 'list'] : ['subscribe since a5']]);
    if (wentBack) return;
    wire.client.confirm({ seq: spell('a5') });
    wire.client.push([push('PUT', { id: 1, title: 'a' }, 'a6', 'a5'), push('PUT', { id: 1, title: 'b' }, 'a8', 'a6')]);
    await rest();
    assert.deepEqual([behind, ahead].map((todos) => todos.get(1).get('title')), ['b', 'b']);
    assert.deepEqual([behind.live, ahead.live, wire.client.log.length], ['live', 'live', 2]);
  });
}
