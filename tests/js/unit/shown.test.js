// How changes reach Backbone's listeners, and what a collection asks for.
'use strict';

const assert = require('node:assert/strict');
const { CHANNEL, spell, rest, whole, push, scripted, live } = require('./made');

scripted('messages of one batch are one set, with options.live and options.seq', async (wire, make) => {
  const todos = await live(wire, make, [{ id: 1, title: 'c' }, { id: 2, title: 'b' }, { id: 3, title: 'a' }], {},
    { comparator: 'title' });
  const events = [];
  todos.on('all', (event, ...args) => {
    const options = args[args.length - 1];
    if (event === 'live') return;
    events.push(event);
    assert.deepEqual([options.live, options.seq], [true, spell('a9')], event);
  });
  wire.client.push([
    push('PUT', { id: 1, title: '0' }, 'a6', 'a5'), push('DELETE', { id: 2, title: 'b' }, 'a7', 'a6'),
    push('POST', { id: 4, title: 'aa' }, 'a8', 'a7'), push('PUT', { id: 4, title: '1' }, 'a9', 'a8')
  ]);
  await rest();
  assert.deepEqual(todos.pluck('id'), [1, 4, 3]);
  assert.deepEqual(events, ['change:title', 'change', 'remove', 'add', 'sort', 'update']);
});

scripted('what vanishes is one change with the rest, and local attributes stay', async (wire, make) => {
  const todos = await live(wire, make, [{ id: 1, title: 'x', note: 'n' }]);
  const model = todos.get(1).set({ mine: 1 });
  const changes = [];
  model.on('change', () => changes.push(Object.keys(model.changed)));
  wire.client.push([push('PUT', { id: 1, title: 'y' }, 'a6', 'a5')]);
  await rest();
  assert.deepEqual(model.attributes, { id: 1, title: 'y', mine: 1 });
  assert.deepEqual(changes, [['title', 'note']]);
});

scripted('pushed bodies go through parse and not through validate', async (wire, make) => {
  const Model = require('backbone').Model.extend({
    parse: (body) => ({ ...body, title: body.title.toUpperCase() }),
    validate: () => 'never'
  });
  const todos = await live(wire, make, [], {}, { model: Model });
  wire.client.push([push('POST', { id: 1, title: 'x' }, 'a6', 'a5'), push('PUT', { id: 1, title: 'y' }, 'a7', 'a6')]);
  await rest();
  assert.deepEqual(todos.toJSON(), [{ id: 1, title: 'Y' }]);
});

scripted('an own create keeps its cid and its place, though its push comes first', async (wire, make) => {
  const todos = await live(wire, make, [{ id: 1 }, { id: 2 }]);
  const succeeded = [];
  const success = (model) => succeeded.push(model.id);
  let model;
  wire.write('c', () => { model = todos.create({ title: 'x' }, { wait: true, at: 0, success }); });
  const { cid } = model;
  wire.client.push([push('POST', { id: 9, title: 'x' }, 'a6', 'a5', wire.origin('c'))]);
  await rest();
  assert.deepEqual([todos.indexOf(model), model.id, model.cid], [0, 9, cid]);
  wire.reply(wire.names.get('c'), 201, { 'Live-Seq': spell('a6') }, { id: 9, title: 'x' });
  assert.deepEqual([todos.length, succeeded], [3, [9]]);
  assert.equal(wire.names.get('c').headers['Idempotency-Key'], wire.origin('c'));
});

scripted('the user’s callbacks get the response, whatever is shown', async (wire, make) => {
  const todos = await live(wire, make, [{ id: 1, title: 'a' }]);
  const responses = [];
  wire.write('s', () => todos.get(1).save({ title: 'b' }, { success: (model, resp) => responses.push(resp.title) }));
  wire.client.push([push('PUT', { id: 1, title: 'b' }, 'a6', 'a5'), push('PUT', { id: 1, title: 'c' }, 'a7', 'a6')]);
  await rest();
  wire.reply(wire.names.get('s'), 200, { 'Live-Seq': spell('a6') }, { id: 1, title: 'b' });
  assert.deepEqual([responses, todos.get(1).get('title')], [['b'], 'c']);
  assert.equal(Object.hasOwn(todos.get(1), 'parse'), false);
});

scripted('an error in a handler stops neither the others nor the collection', async (wire, make) => {
  const first = await live(wire, make, []);
  const second = make(null, { fetch: false });
  await rest();
  first.once('add', () => { throw new Error('a user’s'); });
  const { setTimeout } = globalThis, timers = [];
  globalThis.setTimeout = (callback, delay) => { if (!delay) timers.push(callback); };
  wire.client.push([push('POST', { id: 1 }, 'a6', 'a5'), push('POST', { id: 2 }, 'a7', 'a6')]);
  await rest();
  globalThis.setTimeout = setTimeout;
  assert.throws(timers[0], { message: 'a user’s' });
  assert.deepEqual(second.pluck('id'), [1, 2]);
  wire.list([{ id: 1 }, { id: 2 }], whole('a7'));
  await rest();
  assert.deepEqual(first.pluck('id'), [1, 2]);
});

scripted('pages that are followed are one list, of the first page’s seq', async (wire, make) => {
  const todos = make();
  let updates = 0;
  todos.on('update', () => updates++);
  await rest();
  wire.client.confirm({ seq: spell('a5') });
  wire.list([{ id: 1 }, { id: 2 }], whole('a5', { Link: `<${CHANNEL}?skip=2>; rel="next"` }));
  assert.deepEqual([todos.length, todos.live], [0, 'connecting']);
  wire.list([{ id: 3 }], whole('a7', { Link: `<${CHANNEL}?skip=0>; rel="prev"` }));
  await rest();
  assert.deepEqual([todos.pluck('id'), updates, todos.live], [[1, 2, 3], 1, 'live']);
  assert.equal(wire.client.connect(), spell('a5'));
});

scripted('a later page that comes when the collection has stopped is nothing to it', async (wire, make) => {
  const todos = make();
  let answered = 0;
  await rest();
  wire.client.confirm({ seq: spell('a5') });
  todos.fetch({ success: () => answered++ });
  wire.waiting.shift();
  wire.list([{ id: 1 }], whole('a5', { Link: `<${CHANNEL}?skip=1>; rel="next"` }));
  todos.unlisten();
  wire.list([{ id: 2 }], whole('a5'));
  await rest();
  assert.deepEqual([todos.length, todos.live, answered], [0, 'off', 1]);
});

scripted('what the server has cut is followed, and nothing else', async (wire, make) => {
  const next = (link) => ({ Link: `<${link}>; rel="next"` });
  const urls = (log) => log.filter((entry) => entry.startsWith('list')).length;
  for (const [url, headers, pages] of [
    [`${CHANNEL}?done=true`, { 'Live-Signal': CHANNEL }, 2],
    [`${CHANNEL}?limit=1`, { 'Live-Signal': CHANNEL }, 1],
    [CHANNEL, {}, 1],
    [CHANNEL, { 'Live-Channel': CHANNEL }, 2]
  ]) {
    const todos = make(null, {}, { url });
    await rest();
    wire.client.log.length = 0;
    wire.list([{ id: 1 }], { ...headers, ...next('?after=1') });
    assert.equal(urls(wire.client.log), pages - 1, url);
    if (pages > 1) wire.list([{ id: 2 }], next('?after=1'));
    assert.deepEqual([todos.length, urls(wire.client.log)], [pages, pages - 1], 'a circle ends');
    todos.unlisten();
    wire.waiting.length = 0;
  }
});

scripted('a link is relative to the list that bears it', async (wire, make) => {
  for (const [url, link, page] of [
    [CHANNEL, '?after=1', `${CHANNEL}?after=1`],
    [`http://elsewhere${CHANNEL}?done=true`, '?after=1', `http://elsewhere${CHANNEL}?after=1`],
    [`http://elsewhere${CHANNEL}`, `${CHANNEL}?after=1`, `http://elsewhere${CHANNEL}?after=1`],
    [CHANNEL, `${CHANNEL}?after=1`, `${CHANNEL}?after=1`]
  ]) {
    const todos = make(null, {}, { url });
    await rest();
    wire.list([{ id: 1 }], whole('a5', { Link: `<${link}>; rel="next"` }));
    assert.equal(wire.last.params.url, page);
    todos.unlisten();
    wire.waiting.length = 0;
  }
});

scripted('a 404 from before a reset says nothing of the log that there is', async (wire, make) => {
  const todos = await live(wire, make, [{ id: 1, title: 'a' }]);
  wire.write('s', () => todos.get(1).save({ title: 'b' }));
  wire.client.push([{ method: 'RESET', seq: spell('b3') }]);
  wire.client.rehandshake();
  wire.client.confirm({ seq: spell('b4'), reset: true });
  await rest();
  wire.list([{ id: 1, title: 'c' }], whole('b5'));
  wire.reply(wire.names.get('s'), 404, {}, {});
  await rest();
  assert.deepEqual(todos.pluck('id'), [1]);
});

scripted('a list read with reset is a reset, and older rows are not shown', async (wire, make) => {
  const todos = await live(wire, make, [{ id: 1, title: 'a' }]);
  const old = todos.get(1);
  const events = [];
  todos.fetch({ reset: true });
  wire.client.push([push('PUT', { id: 1, title: 'b' }, 'a6', 'a5')]);
  await rest();
  todos.on('all', (event) => events.push(event));
  wire.list([{ id: 1, title: 'a' }, { id: 2, title: 'x' }], whole('a5'));
  assert.deepEqual(todos.toJSON(), [{ id: 1, title: 'b' }, { id: 2, title: 'x' }]);
  assert.notEqual(todos.get(1), old);
  assert.deepEqual(events, ['reset', 'sync']);
});

scripted('a collection’s query is no part of its models’ URLs', async (wire, make) => {
  const todos = make(null, {}, { url: `${CHANNEL}?done=true` });
  await rest();
  wire.list([{ id: 1 }], { 'Live-Seq': spell('a5'), 'Live-Signal': CHANNEL });
  wire.client.log.length = 0;
  todos.get(1).save({ title: 'x' });
  todos.create({ title: 'y' });
  assert.deepEqual(wire.client.log, ['PUT 1', 'POST']);
});

scripted('answers without headers count at the position when their request left', async (wire, make) => {
  const todos = make();
  await rest();
  wire.list([{ id: 1, title: 'a' }], {});
  assert.deepEqual(todos.pluck('title'), ['a']);
  wire.client.confirm({ seq: spell('a5') });
  await rest();
  wire.list([{ id: 1, title: 'b' }], {});
  await rest();
  assert.deepEqual([todos.pluck('title'), todos.live], [['b'], 'live']);
  wire.write('s', () => todos.get(1).save({ title: 'c' }));
  wire.client.push([push('PUT', { id: 1, title: 'c' }, 'a6', 'a5'), push('PUT', { id: 1, title: 'd' }, 'a7', 'a6')]);
  wire.reply(wire.names.get('s'), 200, {}, { id: 1, title: 'c' });
  await rest();
  assert.deepEqual(todos.pluck('title'), ['d']);
});

scripted('a 404 takes away what the server had, and not what it never had', async (wire, make) => {
  const todos = await live(wire, make, [{ id: 1, title: 'a' }]);
  const gone = () => ['s', 404, { 'Live-Seq': spell('a6') }];
  const answer = ([name, status, headers]) => wire.reply(wire.names.get(name), status, headers, {});
  let model;
  wire.write('s', () => { model = todos.create({ id: 'mine', title: 'x' }); });
  answer(gone());
  await rest();
  assert.deepEqual([todos.pluck('id'), model.unsaved, model.get('title')], [[1, 'mine'], true, 'x']);
  wire.write('s', () => todos.get(1).save({ title: 'b' }));
  answer(gone());
  await rest();
  assert.deepEqual(todos.pluck('id'), ['mine']);
});
