// The judge notices a reset that has no cause, a cause that was not told, and what a reset excuses wrongly.
'use strict';

const assert = require('node:assert/strict');
const { it } = require('node:test');
const { Oracle, Violation } = require('../rules/oracle');
const { judge } = require('./judge');
const { Ledger } = require('./ledger');
const { World } = require('./world');

const TABLE = 'todo0';
const seq = (place, epoch = 'aaaaaaaa') => `${epoch}${place.toString(16).padStart(16, '0')}0000`;
const reply = (since, upto, reset) => ({ name: '0', isReply: true, since: seq(since), seq: seq(upto), reset, asked: 60, at: 70 });
const push = (method, place, prev) => ({ name: '0', method, seq: seq(place), prev: seq(prev), at: 70 });

// What is wrong where this was done, the log says RESET at these places, and a client was told this.
async function verdict(deeds, resets, told, began = []) {
  const ledger = new Ledger(null), found = [];
  ledger.read = async () => {
    ledger.deeds = deeds.map((deed) => ({ table: TABLE, begun: 10, done: 50, place: 5, ...deed }));
    ledger.entries = resets.map(([place, cause]) => ({ place, cause, source: TABLE }));
  };
  const oracle = { fail: (text) => { found.push(text); } };
  await judge.resets({ oracle, site: { ledger }, table: TABLE, told, began, count: () => {} });
  return found.join('; ');
}

const BLIND = [{ kind: 'blind' }], REINSTALLED = [[6, 'capture-reinstalled']], TRIM = [{ kind: 'trim', table: null }];

it('a reset with its cause is none too many', async () => {
  assert.equal(await verdict(BLIND, REINSTALLED, [reply(4, 8, true), push('RESET', 6, 5), push('PUT', 7, 6)]), '');
  assert.equal(await verdict(TRIM, [], [reply(4, 8, true), push('RESET', 8, 4)]), '');
  assert.equal(await verdict([{ kind: 'epoch', table: null, old: 'bbbbbbbb' }], [], [{ ...reply(4, 8, true), since: seq(9, 'bbbbbbbb') }]), '');
});

it('a reset without a cause is found', async () => {
  assert.match(await verdict([], [], [reply(4, 8, true)]), /was reset, and nothing was missing/);
  assert.match(await verdict(BLIND, REINSTALLED, [reply(7, 8, true)]), /was reset, and nothing was missing/);
  assert.match(await verdict(TRIM, [], [push('RESET', 8, 5)]), /was reset, and nothing was missing/);
  assert.match(await verdict([], [], [], [{ name: '0', number: '0', position: seq(4), at: 70 }]), /began anew/);
});

it('a RESET in the log that nothing has caused is found', async () => {
  assert.match(await verdict([], REINSTALLED, []), /nothing was done to cause it/);
  assert.match(await verdict(BLIND, [...REINSTALLED, [7, 'capture-reinstalled']], []), /nothing was done to cause it/);
});

it('a cause of which nobody is told is found', async () => {
  assert.match(await verdict(BLIND, [], []), /the log says no RESET/);
  assert.match(await verdict(BLIND, REINSTALLED, [reply(4, 8)]), /was told no reset \(capture-reinstalled\)/);
  assert.match(await verdict(BLIND, REINSTALLED, [push('PUT', 7, 5)]), /and not the reset/);
  const old = { ...reply(4, 8), since: seq(9, 'bbbbbbbb') };
  assert.match(await verdict([{ kind: 'epoch', table: null, old: 'bbbbbbbb' }], [], [old]), /was told no reset \(other-epoch\)/);
});

// What is wrong where this write was acknowledged at 20, and the log that was saved then and came back has none of it.
function lost(saved, op = {}) {
  const found = [], ledger = { isBlind: () => false, isUntold: () => false };
  const ops = [{ kind: 'create', model: { id: 1 }, origin: 'one', era: 1, acknowledged: seq(3), answeredAt: 20, ...op }];
  const oracle = { fail: (text) => { found.push(text); }, finish: () => {} };
  judge.finish({ oracle, site: { ledger }, table: TABLE, ops, restores: [{ era: 2, saved }] }, []);
  return found.join('; ');
}

it('a restored database excuses what was acknowledged after its backup, and nothing else', () => {
  assert.equal(lost(10), '');
  assert.equal(lost(20), '');
  assert.equal(lost(30, { answeredAt: 40 }), '');
  assert.match(lost(30), /create of 1 was acknowledged and is not in the log/);
  assert.match(lost(30, { kind: 'destroy', id: 1 }), /destroy of 1 was acknowledged and is not in the log/);
  assert.match(lost(10, { era: 2 }), /create of 1 was acknowledged and is not in the log/);
});

// Hold a create that is still new against what its client, and another, were told in this order.
function checkNew(...told) {
  const row = { id: 1, body: { id: 1 }, place: 3 }, live = [0, 1].map((number) => ({ name: `${number}`, client: { number } }));
  const world = Object.assign(Object.create(World.prototype), {
    live, ops: [], told: [], trace: [], counts: {}, heardBy: new Map(), begun: 0, log: { rows: new Map([[1, row.body]]), all: [] }
  });
  for (const [number, message] of told) world.hear(number, message, { message: {} });
  new Oracle(world).checkLost(live[0], { cid: 'c1' }, [{ entry: row, seq: seq(3) }]);
}

const PUSH = { channel: '/api/todo0', data: { method: 'POST', seq: seq(3), body: { id: 1 } } };
const RESET = { channel: '/api/todo0', data: { method: 'RESET', seq: seq(2) } };
const REPLY = { channel: '/meta/subscribe', successful: true, ext: { live: { seq: seq(4), reset: true } } };

it('a create that was heard is new no more, but where its client was reset since', () => {
  checkNew([0, PUSH], [0, REPLY]);
  checkNew([0, PUSH], [0, RESET]);
  for (const other of [[0, RESET], [0, REPLY], [1, REPLY]]) assert.throws(() => checkNew(other, [0, PUSH]), Violation);
  assert.throws(() => checkNew([0, PUSH], [1, RESET]), Violation);
});
