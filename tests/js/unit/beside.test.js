// A list whose Live-Signal names several channels: what comes on any of them says "read again".
'use strict';

const assert = require('node:assert/strict');
const { CHANNEL, spell, rest, push, scripted } = require('./made');

const AUTHORS = '/api/authors';
const URL = `${CHANNEL}?populate=author`;
const signal = (seq, ...channels) => ({ 'Live-Seq': spell(seq), 'Live-Signal': [CHANNEL, ...channels].join(', ') });
const row = (name) => [{ id: 1, author: { id: 7, name } }];
const reads = (wire) => wire.client.log.filter((entry) => entry.startsWith('list')).length;

// A collection that is live at a5, on both channels.
async function live(wire, make) {
  const todos = make(null, {}, { url: URL });
  await rest();
  wire.client.confirm({ seq: spell('a5') });
  wire.list(row('Ada'), signal('a5', AUTHORS));
  await rest();
  assert.equal(todos.live, 'connecting');
  wire.client.confirm({ seq: spell('a5') });
  await rest();
  assert.equal(todos.live, 'live');
  wire.client.log.length = 0;
  return todos;
}

scripted('a change of a document inside is read, once', async (wire, make) => {
  const todos = await live(wire, make);
  wire.client.push([push('PUT', { id: 7, name: 'Bea' }, 'a6', 'a2'), push('PUT', { id: 7, name: 'Cy' }, 'a7', 'a6')], AUTHORS);
  await rest();
  assert.deepEqual(wire.client.log, ['list populate=author']);
  wire.list(row('Cy'), signal('a7', AUTHORS));
  await rest();
  assert.deepEqual([todos.toJSON(), wire.client.log.length, todos.live], [row('Cy'), 1, 'live']);
  wire.client.push([push('PUT', { id: 7, name: 'Cy' }, 'a7', 'a6')], AUTHORS);
  await rest();
  assert.equal(wire.client.log.length, 1, 'a repeat says nothing');
});

scripted('what came while a list was on its way is read after it', async (wire, make) => {
  const todos = await live(wire, make);
  todos.fetch();
  wire.client.push([push('PUT', { id: 7, name: 'Bea' }, 'a6', 'a2')], AUTHORS);
  await rest();
  assert.equal(reads(wire), 1);
  wire.list(row('Ada'), signal('a5', AUTHORS));
  await rest();
  assert.equal(reads(wire), 2);
  wire.list(row('Bea'), signal('a6', AUTHORS));
  await rest();
  assert.deepEqual([todos.toJSON(), reads(wire)], [row('Bea'), 2]);
});

scripted('it is subscribed to from the list on, and what may have been missed there is read', async (wire, make) => {
  const todos = make(null, {}, { url: URL });
  await rest();
  wire.client.confirm({ seq: spell('a5') });
  wire.list(row('Ada'), signal('a5', AUTHORS));
  assert.equal(wire.client.log.pop(), 'subscribe since a5');
  wire.client.confirm({ seq: spell('a8'), reset: true });
  await rest();
  assert.equal(reads(wire), 2, 'a reset');
  wire.list(row('Bea'), signal('a8', AUTHORS));
  await rest();
  wire.client.connected({ last: { [CHANNEL]: spell('a5'), [AUTHORS]: spell('a8') } });
  await rest();
  assert.equal(reads(wire), 2, 'nothing is missing');
  wire.client.connected({ last: { [CHANNEL]: spell('a5'), [AUTHORS]: spell('a9') } });
  await rest();
  assert.equal(reads(wire), 3, 'a message that was lost');
  wire.list(row('Cy'), signal('a9', AUTHORS));
  wire.client.push([{ method: 'RESET', seq: spell('a10') }], AUTHORS);
  await rest();
  assert.deepEqual([todos.toJSON(), reads(wire)], [row('Cy'), 4]);
});

scripted('a stream that is there already has told others what it had missed', async (wire, make) => {
  const authors = make(null, { fetch: false }, { url: AUTHORS });
  await rest();
  wire.client.confirm({ seq: spell('a5') });
  await rest();
  wire.client.push([push('POST', { id: 7, name: 'Ada' }, 'a6')], AUTHORS);
  await rest();
  make(null, {}, { url: URL });
  await rest();
  wire.client.confirm({ seq: spell('a5') });
  wire.list(row('Ada'), signal('a5', AUTHORS));
  await rest();
  assert.equal(reads(wire), 2);
  wire.list(row('Ada'), signal('a6', AUTHORS));
  await rest();
  assert.deepEqual([reads(wire), authors.pluck('id')], [2, [7]]);
});

scripted('a channel that the list names no more is heard no more', async (wire, make) => {
  const todos = await live(wire, make);
  wire.client.push([push('POST', { id: 2 }, 'a6', 'a5')]);
  await rest();
  wire.list([{ id: 1 }, { id: 2 }], signal('a6'));
  await rest();
  assert.deepEqual([wire.client.unsubscribed, todos.live], [AUTHORS, 'live']);
  todos.unlisten();
  assert.deepEqual(wire.client.listeners, []);
});

scripted('it stops whole, and a refusal of any of them is one', async (wire, make) => {
  const todos = await live(wire, make);
  todos.unlisten();
  assert.deepEqual(wire.client.listeners, []);
  const other = make(null, {}, { url: URL });
  await rest();
  wire.client.confirm({ seq: spell('a5') });
  wire.list(row('Ada'), signal('a5', AUTHORS));
  wire.client.confirm(null, '403:/api/authors:Forbidden');
  await rest();
  const before = reads(wire);
  wire.list(row('Ada'), signal('a5', AUTHORS));
  await rest();
  assert.deepEqual([other.live, reads(wire)], ['refused', before], 'it is not asked for again and again');
});
