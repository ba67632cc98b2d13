// The findings of reference/correctness.md that need more than one collection, a real Faye client, or a look
// from outside; the others are vectors. The number of each is in its name.
'use strict';

const assert = require('node:assert/strict');
const { it } = require('node:test');
const { LiveCollection, Wire, CHANNEL, spell, rest } = require('./scripted');
const { World } = require('./world');

const WHOLE = (seq) => ({ 'Live-Seq': spell(seq), 'Live-Channel': CHANNEL });

async function scripted(body) {
  const wire = new Wire();
  const made = [];
  const make = (models, options) => {
    const Todos = LiveCollection.extend({ url: CHANNEL });
    const collection = new Todos(models, { client: wire.client, ...options });
    made.push(collection);
    return collection;
  };
  try {
    await body(wire, make);
  } finally {
    for (const collection of made) collection.unlisten();
    wire.close();
  }
}

// A collection that has read these rows, and is live.
async function joined(wire, make, seq, rows = []) {
  const collection = make();
  await rest();
  wire.client.confirm({ seq: spell(seq) });
  wire.list(rows, WHOLE(seq));
  await rest();
  return collection;
}

async function world(config, body) {
  const it = new World({
    seed: 1, postgres: false, lagging: false, replyFirst: true, single: false, mute: false, nullable: true,
    transport: 'websocket', setup: 'one', rows: 2, ...config
  });
  try {
    await it.start();
    await everything(it);
    await body(it);
    it.oracle.finish();
  } finally {
    await it.stop();
  }
}

// Whatever can arrive arrives, and time passes.
async function everything(world, time = 0) {
  const until = world.clock.now + time;
  for (;;) {
    const [parcel] = world.network.ready();
    if (parcel) await world.deliver(parcel);
    else if (!time || !await world.tick(until)) return;
    world.oracle.check();
  }
}

for (const transport of ['websocket', 'long-polling']) {
  it(`finding 3: a message lost with its line on a channel that falls quiet is made good (${transport})`,
    () => world({ transport }, async (w) => {
      const [{ collection }] = w.live;
      w.log.insert({ title: 'lost', done: false, note: null });
      w.publish();
      await w.cut();
      assert.equal(collection.length, 2);
      await everything(w, 60e3);
      assert.equal(collection.length, 3);
    }));

  for (const single of [false, true]) {
    it(`finding 17: a collection resumes though another listens on its channel ` +
      `(${transport}, ${single ? 'a held channel is not subscribed again' : 'each listener subscribes'})`,
    () => world({ transport, single, setup: 'twin' }, async (w) => {
      await everything(w);
      // The first list of a third collection on the same client is older than the stream it joins.
      const [{ client }] = w.live;
      w.watch('third', client, CHANNEL);
      await w.drain();
      const request = w.network.ready(['request'])[0];
      await w.deliver(request);
      w.log.insert({ title: 'missed', done: false, note: null });
      w.publish();
      await everything(w, 10e3);
      assert.deepEqual(w.live.map(({ collection }) => collection.length), [3, 3, 3]);
    }));
  }

  it(`finding 2: a subscription that begins after the list was read loses nothing (${transport})`,
    () => world({ transport }, async (w) => {
      w.watch('late', w.client(), CHANNEL);
      await w.drain();
      const request = w.network.ready(['request'])[0];
      await w.deliver(request);
      await w.deliver(w.network.ready(['answer'])[0]);
      w.log.insert({ title: 'between', done: false, note: null });
      w.publish();
      await everything(w, 10e3);
      assert.equal(w.live[1].collection.length, 3);
    }));

  it(`finding 6: after a restore everything is as the server has it, and later changes are heard (${transport})`,
    () => world({ transport }, async (w) => {
      const backup = w.log.backup();
      w.log.insert({ title: 'undone', done: false, note: null });
      w.log.remove(1);
      w.publish();
      await everything(w);
      w.log.restore(backup, true);
      w.bayeux.forget();
      await w.cut();
      await everything(w, 60e3);
      w.log.insert({ title: 'after', done: false, note: null });
      w.publish();
      await everything(w);
      assert.deepEqual(w.live[0].collection.pluck('id').sort(), [1, 2, 3]);
    }));
}

it('finding 6: the log went back within its epoch: the check digits notice', () => world({}, async (w) => {
  const backup = w.log.backup();
  w.log.insert({ title: 'undone', done: false, note: null });
  w.publish();
  await everything(w);
  w.log.restore(backup, false);
  w.log.insert({ title: 'in its place', done: true, note: null });
  w.bayeux.forget();
  w.publish();
  await w.cut();
  await everything(w, 60e3);
  assert.equal(w.live[0].collection.get(3).get('title'), 'in its place');
}));

it('finding 6: what a log that went back has undone is undone here', () => world({}, async (w) => {
  const { title } = w.log.rows.get(1);
  const backup = w.log.backup();
  w.log.replace(1, { ...w.log.rows.get(1), title: 'undone', v: undefined });
  w.publish();
  await everything(w);
  assert.equal(w.live[0].collection.get(1).get('title'), 'undone');
  w.log.restore(backup, false);
  w.bayeux.forget();
  await w.cut();
  await everything(w, 60e3);
  assert.equal(w.live[0].collection.get(1).get('title'), title);
}));

it('finding 8: a no-op save is labelled with the log, and hides nothing from others', () => scripted(
  async (wire, make) => {
    const todos = await joined(wire, make, 'a7', [{ id: 1, title: 'x' }, { id: 2, title: 'x' }]);
    wire.write('s1', () => todos.get(1).save());
    wire.reply(wire.names.get('s1'), 200, { 'Live-Seq': spell('a8') }, { id: 1, title: 'x' });
    wire.client.push([{ method: 'PUT', body: { id: 2, title: 'y' }, seq: spell('a8'), prev: spell('a7') }]);
    await rest();
    assert.equal(todos.get(2).get('title'), 'y');
  }));

it('the answer to a subscription of a session that is over confirms nothing', () => scripted(async (wire, make) => {
  const collection = await joined(wire, make, 'a5');
  wire.client.rehandshake();
  wire.client.rehandshake();
  for (const live of ['connecting', 'live']) {
    wire.client.confirm({ seq: spell('a5') });
    await rest();
    assert.equal(collection.live, live);
  }
}));

it('a model of which only the id is known goes when the server has no such document', () => scripted(async (wire, make) => {
  const collection = await joined(wire, make, 'a5');
  wire.write('c1', () => collection.create({ title: 'x' }));
  wire.client.push([{ method: 'RESET', seq: spell('a9'), prev: spell('a5') }]);
  await rest();
  wire.reply(wire.names.get('c1'), 201, { 'Live-Seq': spell('a6') }, { id: 1, title: 'x' });
  wire.write('s1', () => collection.get(1).save({ title: 'y' }, { patch: true, wait: true }));
  wire.list([], WHOLE('a9'));
  await rest();
  wire.reply(wire.names.get('s1'), 404, {});
  await rest();
  wire.list([], WHOLE('a9'));
  await rest();
  assert.equal(collection.length, 0);
  assert.equal(collection.live, 'live');
}));

it('finding 9: a failed wait: true save shows nothing of what it sent', () => scripted(async (wire, make) => {
  const todos = await joined(wire, make, 'a5', [{ id: 1, title: 'a' }]);
  wire.write('s1', () => todos.get(1).save({ title: 'b' }, { wait: true }));
  wire.client.push([{ method: 'PUT', body: { id: 1, title: 'c' }, seq: spell('a6'), prev: spell('a5') }]);
  await rest();
  assert.equal(todos.get(1).get('title'), 'a');
  wire.reply(wire.names.get('s1'), 422, {});
  await rest();
  assert.equal(todos.get(1).get('title'), 'c');
}));

it('finding 10: where a create is answered with an id that another model holds, the created one stays',
  () => scripted(async (wire, make) => {
    const todos = await joined(wire, make, 'a3');
    let model;
    wire.write('c1', () => { model = todos.create({ title: 'x' }); });
    // A push that lost its origin on the way, as of another server.
    wire.client.push([{ method: 'POST', body: { id: 9, title: 'x' }, seq: spell('a4'), prev: spell('a3') }]);
    await rest();
    wire.reply(wire.names.get('c1'), 201, { 'Live-Seq': spell('a4') }, { id: 9, title: 'x' });
    await rest();
    assert.deepEqual(todos.pluck('id'), [9]);
    assert.equal(todos.get(9), model);
  }));

it('finding 1: a push whose prev is the channel\'s, before the log\'s place that was read, is no gap', () => scripted(
  async (wire, make) => {
    const todos = await joined(wire, make, 'a4', [{ id: 1, title: 'x' }]);
    const asked = wire.client.log.length;
    wire.client.push([{ method: 'PUT', body: { id: 1, title: 'y' }, seq: spell('a5'), prev: spell('a3') }]);
    await rest();
    assert.equal(todos.get(1).get('title'), 'y');
    assert.equal(wire.client.log.length, asked, 'it asked again');
    assert.equal(todos.live, 'live');
  }));

it('finding 14: of a squashed replay each message applies, since prev is the receiver\'s', () => scripted(
  async (wire, make) => {
    const todos = await joined(wire, make, 'a7', [{ id: 1, title: 'x' }, { id: 2, title: 'x' }]);
    const asked = wire.client.log.length;
    wire.client.push([
      { method: 'PUT', body: { id: 2, title: 'b' }, seq: spell('a15'), prev: spell('a7') },
      { method: 'PUT', body: { id: 1, title: 'a' }, seq: spell('a20'), prev: spell('a15') }
    ]);
    await rest();
    assert.deepEqual(todos.pluck('title'), ['a', 'b']);
    assert.equal(wire.client.log.length, asked, 'it asked again');
  }));

it('finding 18: a model in two collections takes no older state through the second', () => scripted(
  async (wire, make) => {
    const one = await joined(wire, make, 'a3', [{ id: 1, title: 'three' }]);
    const second = new Wire();
    try {
      const Todos = LiveCollection.extend({ url: CHANNEL });
      const two = new Todos([], { client: second.client });
      await rest();
      second.client.confirm({ seq: spell('a3') });
      second.list([], WHOLE('a3'));
      await rest();
      two.add(one.get(1));
      wire.client.push([{ method: 'PUT', body: { id: 1, title: 'seven' }, seq: spell('a7'), prev: spell('a3') }]);
      await rest();
      second.client.push([{ method: 'PUT', body: { id: 1, title: 'five' }, seq: spell('a5'), prev: spell('a3') }]);
      await rest();
      assert.equal(one.get(1).get('title'), 'seven');
      assert.equal(two.get(1), one.get(1));
      two.unlisten();
    } finally {
      second.close();
    }
  }));

it('a model that another collection hides shows what is learned of it where it is', () => scripted(
  async (wire, make) => {
    const [main, twin] = [make(), make()];
    await rest();
    wire.client.confirm({ seq: spell('a3') });
    for (let i = 0; i < 2; i++) wire.list([{ id: 1, title: 'a' }], WHOLE('a3'));
    await rest();
    twin.get(1).destroy();
    const model = main.get(1);
    twin.add(model);
    wire.write('s1', () => model.save({ title: 'mine' }));
    wire.reply(wire.names.get('s1'), 503, {});
    twin.fetch();
    wire.list([{ id: 1, title: 'theirs' }], WHOLE('a4'));
    await rest();
    assert.equal(model.get('title'), 'theirs');
    assert.equal(model.unsaved, false);
  }));

it('what a list tells of creates in another form, or unasked, is not heeded', () => scripted(async (wire, make) => {
  const todos = await joined(wire, make, 'a3');
  wire.write('c1', () => todos.create({ title: 'x' }));
  wire.reply(wire.names.get('c1'), 0, {});
  const origin = wire.origin('c1');
  for (const told of [`{"${origin}": null}`, `{"${origin}": {}}`, `{"${origin}": 1}`, 'null', '[', '[1]']) {
    todos.fetch();
    wire.list([{ id: 1, title: 'theirs' }], { ...WHOLE('a3'), 'Live-Created': told });
    await rest();
    assert.deepEqual(todos.pluck('title').sort(), ['theirs', 'x'], told);
  }
  todos.fetch({ url: CHANNEL });
  wire.list([{ id: 1, title: 'theirs' }], { ...WHOLE('a3'), 'Live-Created': `{"${origin}": {"id": 1}}` });
  await rest();
  assert.equal(todos.length, 2);
}));

it('a create that is in doubt is known again after the collection has begun to listen anew', () => scripted(
  async (wire, make) => {
    const todos = await joined(wire, make, 'a3');
    wire.write('c1', () => todos.create({ title: 'x' }));
    wire.reply(wire.names.get('c1'), 0, {});
    todos.unlisten();
    todos.listen();
    await rest();
    wire.client.confirm({ seq: spell('a4') });
    const { headers } = wire.waiting.find((request) => request.isList);
    assert.equal(headers['Live-Origin'], wire.origin('c1'));
    wire.list([{ id: 9, title: 'x' }], { ...WHOLE('a4'), 'Live-Created': `{"${wire.origin('c1')}": {"id": 9}}` });
    await rest();
    assert.deepEqual(todos.toJSON(), [{ title: 'x', id: 9 }]);
    todos.fetch();
    assert.equal(wire.waiting.find((request) => request.isList).headers['Live-Origin'], undefined);
  }));

it('finding 19: what the answer to a save lacks and the server had before goes', () => scripted(
  async (wire, make) => {
    const todos = await joined(wire, make, 'a3', [{ id: 1, title: 'x', note: 'n' }]);
    todos.get(1).set({ mine: 1 });
    wire.write('s1', () => todos.get(1).save({ title: 'y' }, { patch: true }));
    wire.reply(wire.names.get('s1'), 200, { 'Live-Seq': spell('a5') }, { id: 1, title: 'y' });
    await rest();
    assert.deepEqual(todos.toJSON(), [{ id: 1, title: 'y', mine: 1 }]);
  }));

it('finding 20: a list without Live-Channel and without Live-Signal is not silently stale', () => scripted(
  async (wire, make) => {
    const warn = console.warn;
    const warnings = [];
    console.warn = (...args) => warnings.push(args.join(' '));
    try {
      const todos = make();
      await rest();
      if (wire.client.unanswered.length) wire.client.confirm(undefined, `403:${CHANNEL}:Forbidden channel`);
      wire.list([{ id: 1 }], {});
      await rest();
      assert.deepEqual(todos.pluck('id'), [1]);
      assert.notEqual(todos.live, 'live');
      assert.notEqual(todos.live, 'connecting');
      assert.equal(warnings.length, 1);
    } finally {
      console.warn = warn;
    }
  }));

it('finding 22: where the server has no ext.live, pushes wait for our own creates and then match by id',
  () => scripted(async (wire, make) => {
    const todos = make();
    await rest();
    wire.client.confirm(undefined);
    wire.list([], { });
    await rest();
    let model;
    wire.write('c1', () => { model = todos.create({ title: 'x' }); });
    wire.client.push([{ method: 'POST', body: { id: 9, title: 'x' } }, { method: 'POST', body: { id: 10, title: 'z' } }]);
    await rest();
    assert.equal(todos.length, 1);
    wire.reply(wire.names.get('c1'), 201, {}, { id: 9, title: 'x' });
    await rest();
    assert.deepEqual(todos.pluck('id').sort(), [10, 9]);
    assert.equal(todos.get(9), model);
  }));

// Whether a text stands anywhere in what an object holds.
function holds(object, text, seen = new Set()) {
  if (object === text) return true;
  if (object === null || typeof object !== 'object' || seen.has(object)) return false;
  seen.add(object);
  if (object instanceof Map || object instanceof Set) {
    for (const entry of object) if (holds(entry, text, seen)) return true;
  }
  return Object.entries(object).some(([key, value]) => key === text || holds(value, text, seen));
}

it('finding 24: tombstones are forgotten when no older request is outstanding', () => scripted(
  async (wire, make) => {
    const todos = await joined(wire, make, 'a3');
    const remove = (id, place) => wire.client.push([
      { method: 'DELETE', body: { id, title: 'x' }, seq: spell(`a${place}`), prev: spell(`a${place - 1}`) }]);
    todos.fetch();
    remove('gone while it was read', 4);
    await rest();
    wire.list([{ id: 'gone while it was read', title: 'x' }], WHOLE('a3'));
    await rest();
    assert.equal(todos.length, 0);
    remove('gone at rest', 5);
    await rest();
    assert.equal(holds(todos, 'gone while it was read'), false);
    assert.equal(holds(todos, 'gone at rest'), false);
  }));

