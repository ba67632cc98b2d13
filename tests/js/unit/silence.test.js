// A line that died without a word, and a page that slept: what is asked and not answered is not waited for.
'use strict';

const assert = require('node:assert/strict');
const { it } = require('node:test');
const { until } = require('../storm/waiting');
const { LiveCollection, CHANNEL, spell, rest, whole, scripted, live } = require('./made');

const TIMEOUT = 0.05;  // seconds
const within = (condition) => until(condition, 5000, () => `it never came to that: ${condition}`, { step: 2 });
const impatient = ({ client }, timeout = TIMEOUT) => LiveCollection.extend({}).connect(client, { timeout });
const lists = ({ client }) => client.log.filter((line) => line === 'list').length;

// What of Faye's client carries its messages.
function carrier(client, transport) {
  const given = [];
  client._dispatcher = {
    _transport: transport, _envelopes: new Map([['1', { message: 'one' }], ['2', { message: 'two' }]]),
    handleError: (message) => given.push(message)
  };
  return given;
}

function socket() {
  const one = { closed: 0, close: () => { one.closed++; } };
  one.onclose = () => { one.onclose = null; };
  return one;
}

scripted('a read of its own that is not answered in time is given up and made again', async (wire, make) => {
  impatient(wire);
  const todos = make();
  await Promise.resolve();
  let aborted = 0;
  wire.waiting[0].xhr.abort = () => { aborted++; };
  await rest();
  wire.client.confirm({ seq: spell('a5') });
  await within(() => lists(wire) === 2);
  assert.deepEqual([aborted, todos.live], [1, 'connecting']);
  wire.reply(wire.waiting[1], 200, whole('a5'), [{ id: 1 }]);
  await rest();
  assert.deepEqual([todos.live, todos.pluck('id')], ['live', [1]]);
});

scripted('a fetch of its user that is not answered is not waited for, and not given up', async (wire, make) => {
  impatient(wire);
  const todos = make();
  let aborted = 0;
  todos.fetch().abort = () => { aborted++; };
  await rest();
  wire.client.confirm({ seq: spell('a5') });
  await within(() => lists(wire) === 2);
  wire.reply(wire.waiting[1], 200, whole('a6'), [{ id: 2 }]);
  await rest();
  assert.deepEqual([todos.live, aborted], ['live', 0]);
  wire.list([{ id: 1 }], whole('a5'));
  assert.deepEqual(todos.pluck('id'), [2], 'it is the older list');
});

scripted('a read that may have died with its line is not waited for when there is a new one, and not given up', async (wire, make) => {
  const todos = await live(wire, make);
  let aborted = 0;
  todos.fetch().abort = () => { aborted++; };
  todos._listener.unread(true);
  await rest();
  assert.equal(lists(wire), 2, 'one at a time');
  wire.client.rehandshake();
  wire.client.confirm({ seq: spell('a5') });
  await rest();
  assert.deepEqual([lists(wire), aborted], [3, 0]);
  wire.reply(wire.waiting[1], 200, whole('a6'), [{ id: 2 }]);
  await rest();
  wire.list([{ id: 1 }], whole('a5'));
  await rest();
  assert.deepEqual([todos.live, todos.pluck('id')], ['live', [2]], 'the first is the older list');
});

scripted('a subscription that is not answered in time has its socket given up, and not only told goodbye', async (wire, make) => {
  impatient(wire);
  const dead = socket();
  carrier(wire.client, { _createSocket() {}, _socket: dead });
  make(null, { fetch: false });
  await within(() => dead.closed);
  assert.equal(dead.onclose, null);
});

scripted('one that is being opened is given up as well', async (wire, make) => {
  impatient(wire);
  const made = [], transport = { connect() { return this._createSocket(); } };
  const prototype = { _createSocket: () => made[made.push(socket()) - 1] };
  carrier(wire.client, Object.setPrototypeOf(transport, prototype));
  make(null, { fetch: false });
  await rest();
  wire.client.connect();
  transport.connect();
  await within(() => made[0].closed);
});

scripted('over HTTP every request that waits is given up', async (wire, make) => {
  impatient(wire);
  const given = carrier(wire.client, {});
  make(null, { fetch: false });
  await within(() => given.length);
  assert.deepEqual(given, ['one', 'two']);
});

scripted('what is answered in time is left alone', async (wire, make) => {
  impatient(wire, 1);
  const alive = socket();
  carrier(wire.client, { _createSocket() {}, _socket: alive });
  await live(wire, make);
  const begun = Date.now();
  await within(() => Date.now() - begun > 1200);
  assert.equal(alive.closed, 0);
});

scripted('a socket that Faye has aborted is not waited for', async (wire, make) => {
  const dead = socket();
  carrier(wire.client, { _createSocket() {}, _socket: dead });
  await live(wire, make);
  wire.client.trigger('transport:down');
  assert.deepEqual([dead.closed, dead.onclose], [1, null]);
});

// A page, of which Node has none.
function page(body) {
  return async (wire, make) => {
    const handlers = {}, { now } = Date;
    globalThis.document = {
      hidden: false,
      addEventListener: (name, handler) => { handlers[name] = handler; },
      removeEventListener: (name) => { delete handlers[name]; }
    };
    try {
      await body(wire, make, handlers, (milliseconds) => { Date.now = () => now() + milliseconds; });
    } finally {
      delete globalThis.document;
      Date.now = now;
    }
  };
}

scripted('a page that resumes asks whether it is still heard, and gives up a dead line', page(async (wire, make, handlers) => {
  impatient(wire);
  const todos = await live(wire, make), dead = socket();
  carrier(wire.client, { _createSocket() {}, _socket: dead });
  handlers.resume();
  assert.equal(todos.live, 'connecting');
  assert.equal(wire.client.log.at(-1), 'subscribe since a5');
  await within(() => dead.closed);
  todos.unlisten();
  assert.deepEqual(handlers, {});
}));

scripted('a page that was out of sight for long does so when it is seen again', page(async (wire, make, handlers, later) => {
  const todos = await live(wire, make);
  const asked = () => wire.client.log.filter((line) => line === 'subscribe since a5').length;
  later(5e3);
  handlers.visibilitychange();
  assert.deepEqual([asked(), todos.live], [0, 'live']);
  document.hidden = true;
  later(25e3);
  handlers.visibilitychange();
  assert.deepEqual([asked(), todos.live], [0, 'live']);
  document.hidden = false;
  handlers.visibilitychange();
  assert.deepEqual([asked(), todos.live], [1, 'connecting']);
  wire.client.confirm({ seq: spell('a5') });
  await rest();
  assert.equal(todos.live, 'live');
  todos.unlisten();
}));

// An event stream, of which Node has none.
class EventSource {
  constructor(url) {
    Object.assign(this, { url, closed: 0 });
    EventSource.opened.push(this);
  }

  addEventListener(name, handler) { this[name] = handler; }
  close() { this.closed++; }
}

function streaming(body) {
  return page(async (wire, make, handlers) => {
    EventSource.opened = [];
    globalThis.EventSource = EventSource;
    const heard = [];
    const transport = { _socket: Object.assign(new EventSource('/faye/c'), { onmessage: (event) => heard.push(event) }) };
    carrier(wire.client, transport);
    try {
      await body(wire, make, { handlers, transport, heard });
    } finally {
      delete globalThis.EventSource;
    }
  });
}

scripted('when a page resumes its event stream is opened anew, and asked on when it is there', streaming(
  async (wire, make, { handlers, transport, heard }) => {
    const todos = await live(wire, make), asked = wire.client.log.length;
    handlers.resume();
    const [dead, fresh] = EventSource.opened;
    assert.deepEqual([dead.closed, dead.onmessage, transport._socket, fresh.url], [1, null, fresh, dead.url]);
    assert.deepEqual([todos.live, wire.client.log.length], ['connecting', asked]);
    fresh.onmessage('one');
    assert.deepEqual(heard, ['one']);
    fresh.open();
    assert.equal(wire.client.log.at(-1), 'subscribe since a5');
    wire.client.confirm({ seq: spell('a5') });
    await rest();
    assert.equal(todos.live, 'live');
  }));

scripted('an event stream on which messages are missing twice is opened anew', streaming(async (wire, make) => {
  await live(wire, make);
  for (const expected of [1, 2]) {
    wire.client.connected({ last: { [CHANNEL]: spell('a7') } });
    await rest();
    assert.equal(EventSource.opened.length, expected);
  }
}));

scripted('what was missing on the old stream is given the time to come on the new one', streaming(
  async (wire, make, { handlers }) => {
    await live(wire, make);
    wire.client.connected({ last: { [CHANNEL]: spell('a7') } });
    await rest();
    handlers.resume();
    EventSource.opened[1].open();
    wire.client.confirm({ seq: spell('a5') });
    for (const expected of [2, 3]) {
      wire.client.connected({ last: { [CHANNEL]: spell('a7') } });
      await rest();
      assert.equal(EventSource.opened.length, expected);
    }
  }));

scripted('each connection that a browser kept may be dead when a page resumes, and is not waited for the longer', page(
  async (wire, make, handlers) => {
    impatient(wire);
    await live(wire, make);
    const given = carrier(wire.client, {}), begun = Date.now();
    handlers.resume();
    await within(() => given.length === 2 * 6);
    assert.ok(Date.now() - begun < 1000 * TIMEOUT * 2 ** 5, 'each time twice as long, the sixth alone would take so much');
  }));
