// `set`, `reset`, `sort` and `clone`: the collection made equal to a list.
'use strict';

const assert = require('node:assert/strict');
const { suite, names } = require('./variants');

const ROWS = () => [{ id: 1, label: 'a' }, { id: 2, label: 'b' }, { id: 3, label: 'c' }];

suite('set', (test) => {
  test('adds, merges and removes', async (kit) => {
    const c = await kit.make(ROWS());
    const kept = c.get(2);
    const events = kit.record(c, 'add remove change update');
    c.set([{ id: 2, label: 'B' }, { id: 4, label: 'd' }]);
    assert.deepEqual(c.pluck('id'), [2, 4]);
    assert.equal(c.get(2), kept);
    assert.equal(kept.get('label'), 'B');
    assert.deepEqual(names(events), ['change', 'remove', 'remove', 'add', 'update']);
  });

  test('its update names what was added, merged and removed', async (kit) => {
    const c = await kit.make(ROWS());
    const updates = kit.record(c, 'update');
    c.set([{ id: 2, label: 'B' }, { id: 4 }]);
    const { added, merged, removed } = updates[0][2].changes;
    assert.deepEqual(added.map((m) => m.id), [4]);
    assert.deepEqual(merged.map((m) => m.id), [2]);
    assert.deepEqual(removed.map((m) => m.id), [1, 3]);
    assert.equal(updates.length, 1);
  });

  test('attributes that a row lacks stay', async (kit) => {
    const c = await kit.make([{ id: 1, label: 'a', extra: 1 }]);
    c.set([{ id: 1, label: 'A' }]);
    assert.deepEqual(c.at(0).attributes, { id: 1, label: 'A', extra: 1 });
  });

  test('add: false', async (kit) => {
    const c = await kit.make(ROWS());
    c.set([{ id: 1, label: 'A' }, { id: 9 }], { add: false });
    assert.deepEqual(c.pluck('id'), [1]);
    assert.equal(c.at(0).get('label'), 'A');
  });

  test('remove: false', async (kit) => {
    const c = await kit.make(ROWS());
    c.set([{ id: 1, label: 'A' }, { id: 9 }], { remove: false });
    assert.deepEqual(c.pluck('id'), [1, 2, 3, 9]);
    assert.equal(c.get(1).get('label'), 'A');
  });

  test('merge: false', async (kit) => {
    const c = await kit.make(ROWS());
    c.set([{ id: 1, label: 'A' }, { id: 9 }], { merge: false });
    assert.deepEqual(c.pluck('label'), ['a', undefined]);
  });

  test('takes the order of the list', async (kit) => {
    const c = await kit.make(ROWS());
    const events = kit.record(c, 'sort');
    c.set([{ id: 3 }, { id: 1 }, { id: 2 }]);
    assert.deepEqual(c.pluck('id'), [3, 1, 2]);
    assert.equal(events.length, 1);
    c.set([{ id: 3 }, { id: 1 }, { id: 2 }]);
    assert.equal(events.length, 1);
  });

  test('keeps its own order where nothing may be removed', async (kit) => {
    const c = await kit.make(ROWS());
    c.set([{ id: 3 }, { id: 1 }], { remove: false });
    assert.deepEqual(c.pluck('id'), [1, 2, 3]);
  });

  test('the list of no rows empties', async (kit) => {
    const c = await kit.make(ROWS());
    const events = kit.record(c, 'remove update reset');
    c.set([]);
    assert.equal(c.length, 0);
    assert.deepEqual(names(events), ['remove', 'remove', 'remove', 'update']);
  });

  test('null and undefined change nothing', async (kit) => {
    const c = await kit.make(ROWS());
    assert.equal(c.set(null), undefined);
    assert.equal(c.set(undefined), undefined);
    assert.equal(c.length, 3);
  });

  test('returns what is in the collection, one or many', async (kit) => {
    const c = await kit.make(ROWS());
    assert.equal(c.set({ id: 1 }, { remove: false }), c.get(1));
    assert.deepEqual(c.set([{ id: 1 }, { id: 2 }]), [c.get(1), c.get(2)]);
  });

  test('does not change the list it is given, nor the options', async (kit) => {
    const c = await kit.make(ROWS());
    const list = [{ id: 1 }, { id: 9 }];
    const options = {};
    c.set(list, options);
    assert.deepEqual(list, [{ id: 1 }, { id: 9 }]);
    assert.deepEqual(options, {});
  });

  test('may be given its own models', async (kit) => {
    const c = await kit.make(ROWS());
    c.set(c.models);
    assert.equal(c.length, 3);
    c.set(c.models.filter((m) => m.id !== 2));
    assert.deepEqual(c.pluck('id'), [1, 3]);
  });

  test('merges the attributes of another model object with the same id', async (kit) => {
    const c = await kit.make(ROWS());
    const mine = c.get(1);
    c.set(new kit.Model({ id: 1, label: 'A' }), { remove: false });
    assert.equal(c.get(1), mine);
    assert.equal(mine.get('label'), 'A');
  });

  test('finds a new model again by its cid', async (kit) => {
    const c = await kit.make();
    const m = c.add({ label: 'new' });
    c.set([m, { id: 1 }]);
    assert.equal(c.length, 2);
    assert.equal(c.at(0), m);
  });

  test('the same row twice', async (kit) => {
    const c = await kit.make();
    c.set([{ id: 1, label: 'a' }, { id: 1, label: 'b' }]);
    assert.equal(c.length, 1);
    assert.equal(c.at(0).get('label'), 'b');
  });

  test('at puts the new ones there and leaves the old', async (kit) => {
    const c = await kit.make(ROWS());
    c.set([{ id: 9 }, { id: 8 }], { at: 1, remove: false });
    assert.deepEqual(c.pluck('id'), [1, 9, 8, 2, 3]);
  });

  test('parse: true goes through the parse of the collection and of the models', async (kit) => {
    const Thing = kit.Model.extend({ parse: (row) => ({ id: row.id, label: row.label.toUpperCase() }) });
    const Wrapped = kit.Collection.extend({ model: Thing, parse: (response) => response.rows });
    const c = await kit.make([], {}, Wrapped);
    c.set({ rows: [{ id: 1, label: 'x' }] }, { parse: true });
    c.set({ rows: [{ id: 1, label: 'y' }, { id: 2, label: 'z' }] }, { parse: true });
    assert.deepEqual(c.pluck('label'), ['Y', 'Z']);
  });

  test('silent says nothing and does everything', async (kit) => {
    const c = await kit.make(ROWS());
    const events = kit.record(c);
    c.set([{ id: 2, label: 'B' }, { id: 4 }], { silent: true });
    assert.deepEqual(events, []);
    assert.deepEqual(c.pluck('id'), [2, 4]);
  });

  test('one update even where nothing but merges happened', async (kit) => {
    const c = await kit.make(ROWS());
    const events = kit.record(c, 'update');
    c.set([{ id: 1 }, { id: 2 }, { id: 3 }]);
    assert.equal(events.length, 1);
    assert.equal(events[0][2].changes.merged.length, 3);
  });

  test('passes its options to every event', async (kit) => {
    const c = await kit.make(ROWS());
    const seen = [];
    c.on('add remove change', (m, second, third) => seen.push((third || second).colour));
    c.set([{ id: 1, label: 'A' }, { id: 9 }], { colour: 'red' });
    assert.deepEqual(seen, ['red', 'red', 'red', 'red']);
  });
});

suite('validation', (test) => {
  const strict = (kit) => kit.Model.extend({
    validate(attrs) { return attrs.label === 'bad' ? 'bad label' : undefined; }
  });

  test('is not asked by default', async (kit) => {
    const c = await kit.make([], { model: strict(kit) });
    c.add({ label: 'bad' });
    assert.equal(c.length, 1);
  });

  test('a row that fails is left out, with invalid on the collection', async (kit) => {
    const c = await kit.make([], { model: strict(kit) });
    const events = kit.record(c, 'invalid');
    const result = c.add({ label: 'bad' }, { validate: true });
    assert.equal(result, false);
    assert.equal(c.length, 0);
    assert.equal(events.length, 1);
    assert.equal(events[0][1], c);
    assert.equal(events[0][2], 'bad label');
  });

  test('the good ones of a list go in', async (kit) => {
    const c = await kit.make([], { model: strict(kit) });
    c.add([{ label: 'good' }, { label: 'bad' }, { label: 'fine' }], { validate: true });
    assert.deepEqual(c.pluck('label'), ['good', 'fine']);
  });

  test('a merge that fails leaves the model as it was', async (kit) => {
    const c = await kit.make([{ id: 1, label: 'good' }], { model: strict(kit) });
    const events = kit.record(c, 'invalid');
    c.set([{ id: 1, label: 'bad' }], { validate: true });
    assert.equal(c.get(1).get('label'), 'good');
    assert.equal(events[0][1], c.get(1));
  });

  test('create of an invalid model sends nothing', async (kit) => {
    const c = await kit.make([], { model: strict(kit) });
    c.url = '/things';
    const events = kit.record(c, 'invalid');
    assert.equal(c.create({ label: 'bad' }, { validate: true }), false);
    assert.equal(events.length, 1);
    assert.equal(kit.requests.length, 0);
    assert.equal(c.length, 0);
  });
});

suite('sorting', (test) => {
  const MIXED = () => [{ id: 3, n: 1 }, { id: 1, n: 3 }, { id: 2, n: 2 }];

  test('by the name of an attribute', async (kit) => {
    const c = await kit.make(MIXED(), { comparator: 'n' });
    assert.deepEqual(c.pluck('n'), [1, 2, 3]);
  });

  test('by a function of one model', async (kit) => {
    const c = await kit.make(MIXED(), { comparator: (m) => -m.id });
    assert.deepEqual(c.pluck('id'), [3, 2, 1]);
  });

  test('by a function of two models', async (kit) => {
    const c = await kit.make(MIXED(), { comparator: (a, b) => a.id - b.id });
    assert.deepEqual(c.pluck('id'), [1, 2, 3]);
  });

  test('the comparator is called on the collection', async (kit) => {
    const Signed = kit.Collection.extend({ sign: -1, comparator(m) { return this.sign * m.id; } });
    const c = await kit.make(MIXED(), {}, Signed);
    assert.deepEqual(c.pluck('id'), [3, 2, 1]);
  });

  test('keeps order as models come, with one sort event each time', async (kit) => {
    const c = await kit.make(MIXED(), { comparator: 'id' });
    const events = kit.record(c, 'add sort update');
    c.add([{ id: 0 }, { id: 2.5 }]);
    assert.deepEqual(c.pluck('id'), [0, 1, 2, 2.5, 3]);
    assert.deepEqual(names(events), ['add', 'add', 'sort', 'update']);
  });

  test('sort: false leaves the new ones at the end', async (kit) => {
    const c = await kit.make(MIXED(), { comparator: 'id' });
    const events = kit.record(c, 'sort');
    c.add({ id: 0 }, { sort: false });
    assert.deepEqual(c.pluck('id'), [1, 2, 3, 0]);
    assert.equal(events.length, 0);
  });

  test('a merge sorts again where it touched what it sorts by', async (kit) => {
    const c = await kit.make(MIXED(), { comparator: 'n' });
    const events = kit.record(c, 'sort');
    c.set([{ id: 3, n: 9 }], { remove: false });
    assert.deepEqual(c.pluck('id'), [2, 1, 3]);
    assert.equal(events.length, 1);
    c.set([{ id: 3, other: 1 }], { remove: false });
    assert.equal(events.length, 1);
  });

  test('a change of the attribute alone does not sort', async (kit) => {
    const c = await kit.make(MIXED(), { comparator: 'n' });
    c.at(0).set('n', 100);
    assert.deepEqual(c.pluck('n'), [100, 2, 3]);
    c.sort();
    assert.deepEqual(c.pluck('n'), [2, 3, 100]);
  });

  test('sort returns the collection and fires sort with it and the options', async (kit) => {
    const c = await kit.make(MIXED(), { comparator: 'n' });
    const events = kit.record(c, 'sort');
    assert.equal(c.sort({ colour: 'red' }), c);
    assert.equal(events[0][1], c);
    assert.equal(events[0][2].colour, 'red');
    c.sort({ silent: true });
    assert.equal(events.length, 1);
  });

  test('sort without a comparator throws', async (kit) => {
    const c = await kit.make(MIXED());
    assert.throws(() => c.sort(), /comparator/);
  });

  test('a comparator may be put in later', async (kit) => {
    const c = await kit.make(MIXED());
    c.comparator = 'id';
    c.sort();
    c.add({ id: 2.5 });
    assert.deepEqual(c.pluck('id'), [1, 2, 2.5, 3]);
  });

  test('equal models keep their order', async (kit) => {
    const c = await kit.make([{ id: 1, n: 1 }, { id: 2, n: 0 }, { id: 3, n: 1 }, { id: 4, n: 0 }],
      { comparator: 'n' });
    assert.deepEqual(c.pluck('id'), [2, 4, 1, 3]);
  });
});

suite('reset', (test) => {
  test('exchanges everything with one event', async (kit) => {
    const c = await kit.make(ROWS());
    const before = c.models.slice();
    const events = kit.record(c);
    const result = c.reset([{ id: 9 }], { colour: 'red' });
    assert.deepEqual(c.pluck('id'), [9]);
    assert.deepEqual(result, c.models);
    assert.deepEqual(names(events), ['reset']);
    assert.equal(events[0][1], c);
    assert.equal(events[0][2].colour, 'red');
    assert.deepEqual(events[0][2].previousModels, before);
  });

  test('without rows empties', async (kit) => {
    const c = await kit.make(ROWS());
    c.reset();
    assert.equal(c.length, 0);
    assert.equal(c.get(1), undefined);
  });

  test('lets go of the old models', async (kit) => {
    const c = await kit.make(ROWS());
    const old = c.get(1);
    c.reset([{ id: 1 }]);
    assert.notEqual(c.get(1), old);
    assert.equal(old.collection, undefined);
    const events = kit.record(c);
    old.set('label', 'z');
    assert.deepEqual(events, []);
  });

  test('may keep models', async (kit) => {
    const c = await kit.make(ROWS());
    const kept = c.get(2);
    c.reset([kept]);
    assert.equal(c.at(0), kept);
    assert.equal(kept.collection, c);
    assert.equal(c.length, 1);
  });

  test('sorts, parses, and may be silent', async (kit) => {
    const Sorted = kit.Collection.extend({ comparator: 'id', parse: (response) => response.rows });
    const c = await kit.make([], {}, Sorted);
    const events = kit.record(c);
    c.reset({ rows: [{ id: 2 }, { id: 1 }] }, { parse: true, silent: true });
    assert.deepEqual(c.pluck('id'), [1, 2]);
    assert.deepEqual(events, []);
  });

  test('new models know the collection while they are made', async (kit) => {
    let seen;
    const Thing = kit.Model.extend({ initialize() { seen = this.collection; } });
    const c = await kit.make([], { model: Thing });
    c.reset([{ id: 1 }]);
    assert.equal(seen, c);
  });
});

suite('clone', (test) => {
  test('has the same models, model class and comparator', async (kit) => {
    const Thing = kit.Model.extend({});
    const c = await kit.make(ROWS(), { model: Thing, comparator: (m) => -m.id });
    const copy = c.clone();
    assert.ok(copy instanceof c.constructor);
    assert.notEqual(copy, c);
    assert.deepEqual(copy.models, c.models);
    assert.equal(copy.model, Thing);
    assert.equal(copy.comparator, c.comparator);
  });

  test('is a collection of its own', async (kit) => {
    const c = await kit.make(ROWS());
    const copy = c.clone();
    copy.remove(1);
    copy.add({ id: 9 });
    assert.deepEqual(c.pluck('id'), [1, 2, 3]);
    assert.deepEqual(copy.pluck('id'), [2, 3, 9]);
    assert.equal(c.get(1).collection, c);
  });

  test('reads nothing from the server', async (kit) => {
    const c = await kit.make(ROWS());
    c.clone();
    await new Promise(setImmediate);
    assert.equal(kit.requests.length, 0);
  });
});
