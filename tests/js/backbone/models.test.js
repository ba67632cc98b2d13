// What a collection holds, finds and hands out.
'use strict';

const assert = require('node:assert/strict');
const { suite, names } = require('./variants');

const ROWS = () => [{ id: 3, label: 'c' }, { id: 1, label: 'a' }, { id: 2, label: 'b' }];

suite('construction', (test) => {
  test('keeps the order of the rows it is given', async (kit) => {
    const c = await kit.make(ROWS());
    assert.deepEqual(c.pluck('id'), [3, 1, 2]);
    assert.equal(c.length, 3);
  });

  test('starts empty without rows', async (kit) => {
    const c = await kit.make();
    assert.equal(c.length, 0);
    assert.deepEqual(c.models, []);
    assert.deepEqual(c.toJSON(), []);
  });

  test('takes one row as well as a list', async (kit) => {
    const c = await kit.make({ id: 1 });
    assert.deepEqual(c.pluck('id'), [1]);
  });

  test('takes the model class from the options', async (kit) => {
    const Thing = kit.Model.extend({ kind: () => 'thing' });
    const c = await kit.make([{ id: 1 }], { model: Thing });
    assert.equal(c.at(0).kind(), 'thing');
    assert.equal(c.model, Thing);
  });

  test('takes the comparator from the options', async (kit) => {
    const c = await kit.make(ROWS(), { comparator: 'id' });
    assert.deepEqual(c.pluck('id'), [1, 2, 3]);
  });

  test('comparator: false switches off the one of the class', async (kit) => {
    const Sorted = kit.Collection.extend({ comparator: 'id' });
    const c = await kit.make(ROWS(), { comparator: false }, Sorted);
    assert.deepEqual(c.pluck('id'), [3, 1, 2]);
  });

  test('calls preinitialize and initialize with the arguments, before the rows are there', async (kit) => {
    const seen = [];
    const Watched = kit.Collection.extend({
      preinitialize(models, options) { seen.push(['pre', models.length, options.colour, this.models]); },
      initialize(models, options) { seen.push(['init', models.length, options.colour, this.length]); }
    });
    const c = await kit.make(ROWS(), { colour: 'red' }, Watched);
    assert.deepEqual(seen, [['pre', 3, 'red', undefined], ['init', 3, 'red', 0]]);
    assert.equal(c.length, 3);
  });

  test('says nothing of the rows it starts with', async (kit) => {
    const events = [];
    const Watched = kit.Collection.extend({
      initialize() { this.on('all', (name) => name === 'live' || events.push(name)); }
    });
    const c = await kit.make(ROWS(), {}, Watched);
    assert.deepEqual(events, []);
    assert.equal(c.length, 3);
  });

  test('parses the rows it starts with when asked', async (kit) => {
    const Wrapped = kit.Collection.extend({ parse: (response) => response.rows });
    const c = await kit.make({ rows: ROWS() }, { parse: true }, Wrapped);
    assert.equal(c.length, 3);
  });

  test('extend hands on prototype and static properties, and __super__', async (kit) => {
    const Parent = kit.Collection.extend({ size2() { return this.length * 2; } }, { kind: 'parent' });
    const Child = Parent.extend({ size2() { return Parent.prototype.size2.call(this) + 1; } });
    const c = await kit.make(ROWS(), {}, Child);
    assert.equal(c.size2(), 7);
    assert.equal(Child.kind, 'parent');
    assert.equal(Child.__super__, Parent.prototype);
    assert.ok(c instanceof Parent && c instanceof kit.Collection);
  });

  test('works as the parent of an ES class', async (kit) => {
    class Shelf extends kit.Collection {
      get first2() { return this.first(2); }
    }
    const c = await kit.make(ROWS(), {}, Shelf);
    assert.deepEqual(c.first2.map((m) => m.id), [3, 1]);
  });
});

suite('finding', (test) => {
  test('get by id, by string of an id, by cid, by model, by row', async (kit) => {
    const c = await kit.make(ROWS());
    const m = c.at(1);
    assert.equal(c.get(1), m);
    assert.equal(c.get('1'), m);
    assert.equal(c.get(m.cid), m);
    assert.equal(c.get(m), m);
    assert.equal(c.get({ id: 1 }), m);
    assert.equal(c.get({ cid: m.cid }), m);
  });

  test('get knows nothing of null, undefined and strangers', async (kit) => {
    const c = await kit.make(ROWS());
    assert.equal(c.get(null), undefined);
    assert.equal(c.get(undefined), undefined);
    assert.equal(c.get(99), undefined);
    assert.equal(c.get(new kit.Model({ id: 99 })), undefined);
  });

  test('has', async (kit) => {
    const c = await kit.make(ROWS());
    assert.equal(c.has(1), true);
    assert.equal(c.has(c.at(0)), true);
    assert.equal(c.has(99), false);
  });

  test('get follows an id that changes', async (kit) => {
    const c = await kit.make(ROWS());
    const m = c.get(1);
    m.set({ id: 10 });
    assert.equal(c.get(1), undefined);
    assert.equal(c.get(10), m);
  });

  test('get follows a model that gets its id, and one that loses it', async (kit) => {
    const c = await kit.make([{ label: 'x' }]);
    const m = c.at(0);
    m.set({ id: 7 });
    assert.equal(c.get(7), m);
    m.unset('id');
    assert.equal(c.get(7), undefined);
    assert.equal(c.get(m.cid), m);
  });

  test('an id of 0 is an id', async (kit) => {
    const c = await kit.make([{ id: 0, label: 'zero' }]);
    assert.equal(c.get(0).get('label'), 'zero');
    c.set([{ id: 0, label: 'nought' }]);
    assert.equal(c.length, 1);
    assert.equal(c.get(0).get('label'), 'nought');
  });

  test('at counts from either end', async (kit) => {
    const c = await kit.make(ROWS());
    assert.equal(c.at(0).id, 3);
    assert.equal(c.at(-1).id, 2);
    assert.equal(c.at(5), undefined);
  });

  test('where and findWhere', async (kit) => {
    const c = await kit.make([{ id: 1, a: 1 }, { id: 2, a: 1, b: 2 }, { id: 3, a: 2 }]);
    assert.deepEqual(c.where({ a: 1 }).map((m) => m.id), [1, 2]);
    assert.deepEqual(c.where({ a: 1, b: 2 }).map((m) => m.id), [2]);
    assert.deepEqual(c.where({ a: 9 }), []);
    assert.equal(c.where({ a: 1 }, true).id, 1);
    assert.equal(c.findWhere({ a: 2 }).id, 3);
    assert.equal(c.findWhere({ a: 9 }), undefined);
  });

  test('slice, pluck, toJSON', async (kit) => {
    const c = await kit.make(ROWS());
    assert.deepEqual(c.slice(1).map((m) => m.id), [1, 2]);
    assert.deepEqual(c.slice(0, 1).map((m) => m.id), [3]);
    assert.deepEqual(c.pluck('label'), ['c', 'a', 'b']);
    assert.deepEqual(c.toJSON(), ROWS());
  });

  test('toJSON asks each model, with the options', async (kit) => {
    const Thing = kit.Model.extend({ toJSON(options) { return [this.id, options.deep]; } });
    const c = await kit.make(ROWS(), { model: Thing });
    assert.deepEqual(c.toJSON({ deep: true }), [[3, true], [1, true], [2, true]]);
  });

  test('iterates: for…of, values, keys, entries', async (kit) => {
    const c = await kit.make(ROWS());
    assert.deepEqual([...c].map((m) => m.id), [3, 1, 2]);
    assert.deepEqual([...c.values()], c.models);
    assert.deepEqual([...c.keys()], [3, 1, 2]);
    assert.deepEqual([...c.entries()], c.models.map((m) => [m.id, m]));
  });
});

suite('adding and removing', (test) => {
  test('add appends and returns the model', async (kit) => {
    const c = await kit.make(ROWS());
    const m = c.add({ id: 4 });
    assert.equal(m, c.at(3));
    assert.deepEqual(c.add([{ id: 5 }, { id: 6 }]).map((x) => x.id), [5, 6]);
    assert.equal(c.length, 6);
  });

  test('add at an index, with a running index in the options', async (kit) => {
    const c = await kit.make(ROWS());
    const seen = [];
    c.on('add', (m, _, options) => seen.push([m.id, options.index]));
    c.add([{ id: 8 }, { id: 9 }], { at: 1 });
    assert.deepEqual(c.pluck('id'), [3, 8, 9, 1, 2]);
    assert.deepEqual(seen, [[8, 1], [9, 2]]);
  });

  test('at may be negative, beyond the end, or a string', async (kit) => {
    const c = await kit.make(ROWS());
    c.add({ id: 10 }, { at: -1 });
    c.add({ id: 11 }, { at: 99 });
    c.add({ id: 12 }, { at: '0' });
    c.add({ id: 13 }, { at: -99 });
    assert.deepEqual(c.pluck('id'), [13, 12, 3, 1, 2, 10, 11]);
  });

  test('add of a known id adds nothing and merges nothing', async (kit) => {
    const c = await kit.make(ROWS());
    const m = c.add({ id: 1, label: 'other' });
    assert.equal(m, c.get(1));
    assert.equal(m.get('label'), 'a');
    assert.equal(c.length, 3);
  });

  test('add with merge: true merges', async (kit) => {
    const c = await kit.make(ROWS());
    const events = kit.record(c, 'add change change:label update');
    c.add({ id: 1, label: 'other' }, { merge: true });
    assert.equal(c.get(1).get('label'), 'other');
    assert.deepEqual(names(events), ['change:label', 'change', 'update']);
  });

  test('the same row twice in one add is one model', async (kit) => {
    const c = await kit.make();
    c.add([{ id: 1, a: 1 }, { id: 1, a: 2 }]);
    assert.equal(c.length, 1);
    assert.equal(c.at(0).get('a'), 1);
  });

  test('add of a model that is there already does nothing', async (kit) => {
    const c = await kit.make();
    const m = new kit.Model({ label: 'new' });
    c.add(m);
    const events = kit.record(c);
    c.add(m);
    assert.equal(c.length, 1);
    assert.deepEqual(names(events), []);
  });

  test('a model added keeps its object and gets its collection', async (kit) => {
    const c = await kit.make();
    const m = new kit.Model({ id: 1 });
    c.add(m);
    assert.equal(c.get(1), m);
    assert.equal(m.collection, c);
  });

  test('a model in two collections belongs to the first', async (kit) => {
    const one = await kit.make();
    const two = await kit.make();
    const m = new kit.Model({ id: 1 });
    one.add(m);
    two.add(m);
    assert.equal(m.collection, one);
    one.remove(m);
    assert.equal(m.collection, undefined);
    assert.equal(two.get(1), m);
  });

  test('add fires add on model and collection, then one update', async (kit) => {
    const c = await kit.make(ROWS());
    const events = kit.record(c, 'add sort update');
    const options = { colour: 'red' };
    const [m] = c.add([{ id: 4 }, { id: 5 }], options);
    assert.deepEqual(names(events), ['add', 'add', 'update']);
    assert.equal(events[0][1], m);
    assert.equal(events[0][2], c);
    assert.equal(events[0][3].colour, 'red');
    assert.equal(events[2][1], c);
    assert.deepEqual(events[2][2].changes.added.map((x) => x.id), [4, 5]);
    assert.deepEqual(events[2][2].changes.removed, []);
    assert.deepEqual(events[2][2].changes.merged, []);
    assert.deepEqual(options, { colour: 'red' });
  });

  test('add fires on the model itself too', async (kit) => {
    const c = await kit.make();
    const m = new kit.Model({ id: 1 });
    const events = kit.record(m, 'add remove');
    c.add(m);
    c.remove(m);
    assert.deepEqual(events.map((e) => [e[0], e[1], e[2]]), [['add', m, c], ['remove', m, c]]);
  });

  test('all models are in the collection when the first add fires', async (kit) => {
    const c = await kit.make();
    const lengths = [];
    c.on('add', () => lengths.push(c.length));
    c.add([{ id: 1 }, { id: 2 }, { id: 3 }]);
    assert.deepEqual(lengths, [3, 3, 3]);
  });

  test('silent add and remove say nothing', async (kit) => {
    const c = await kit.make(ROWS());
    const events = kit.record(c);
    c.add({ id: 4 }, { silent: true });
    c.remove(4, { silent: true });
    assert.deepEqual(events, []);
    assert.equal(c.length, 3);
  });

  test('push, pop, unshift, shift', async (kit) => {
    const c = await kit.make(ROWS());
    assert.equal(c.push({ id: 4 }).id, 4);
    assert.equal(c.unshift({ id: 5 }).id, 5);
    assert.deepEqual(c.pluck('id'), [5, 3, 1, 2, 4]);
    assert.equal(c.pop().id, 4);
    assert.equal(c.shift().id, 5);
    assert.deepEqual(c.pluck('id'), [3, 1, 2]);
  });

  test('push and unshift on a sorted collection put it where they say', async (kit) => {
    const c = await kit.make(ROWS(), { comparator: 'id' });
    c.push({ id: 0 });
    c.unshift({ id: 9 });
    assert.deepEqual(c.pluck('id'), [9, 1, 2, 3, 0]);
  });

  test('pop and shift of an empty collection', async (kit) => {
    const c = await kit.make();
    assert.equal(c.pop(), undefined);
    assert.equal(c.shift(), undefined);
  });

  test('remove by model, by id, by row, by list', async (kit) => {
    const c = await kit.make([{ id: 1 }, { id: 2 }, { id: 3 }, { id: 4 }, { id: 5 }]);
    const m = c.get(1);
    assert.equal(c.remove(m), m);
    assert.equal(c.remove(2).id, 2);
    assert.equal(c.remove({ id: 3 }).id, 3);
    assert.deepEqual(c.remove([4, c.get(5), 99]).map((x) => x.id), [4, 5]);
    assert.equal(c.length, 0);
    assert.equal(c.remove(99), undefined);
    assert.deepEqual(c.remove([]), []);
  });

  test('remove fires with the index it had, then one update', async (kit) => {
    const c = await kit.make(ROWS());
    const seen = [];
    c.on('remove', (m, collection, options) => seen.push([m.id, collection === c, options.index]));
    const updates = kit.record(c, 'update');
    c.remove([1, 2]);
    assert.deepEqual(seen, [[1, true, 1], [2, true, 1]]);
    assert.equal(updates.length, 1);
    assert.deepEqual(updates[0][2].changes.removed.map((m) => m.id), [1, 2]);
    assert.deepEqual(updates[0][2].changes.added, []);
  });

  test('a removed model cannot be found in its own remove handler, and no longer reports', async (kit) => {
    const c = await kit.make(ROWS());
    const m = c.get(1);
    let found = 'not asked';
    c.on('remove', () => { found = c.get(1); });
    c.remove(m);
    assert.equal(found, undefined);
    const events = kit.record(c);
    m.set({ label: 'z' });
    assert.deepEqual(events, []);
    assert.equal(m.collection, undefined);
  });

  test('remove of a stranger fires nothing', async (kit) => {
    const c = await kit.make(ROWS());
    const events = kit.record(c);
    c.remove(new kit.Model({ id: 77 }));
    assert.deepEqual(events, []);
  });

  test('a removed model may come back', async (kit) => {
    const c = await kit.make(ROWS());
    const m = c.remove(1);
    c.add(m, { at: 0 });
    assert.deepEqual(c.pluck('id'), [1, 3, 2]);
    assert.equal(m.collection, c);
  });

  test('rows without an id are each a model of their own', async (kit) => {
    const c = await kit.make([{ a: 1 }, { a: 1 }]);
    assert.equal(c.length, 2);
    c.add({ a: 1 });
    assert.equal(c.length, 3);
  });

  test('null and undefined are models without attributes', async (kit) => {
    const c = await kit.make();
    c.add([null, undefined]);
    assert.equal(c.length, 2);
    assert.deepEqual(c.toJSON(), [{}, {}]);
  });

  test('adding in an add handler is allowed', async (kit) => {
    const c = await kit.make();
    c.on('add', (m) => { if (m.id < 3) c.add({ id: m.id + 1 }); });
    c.add({ id: 1 });
    assert.deepEqual(c.pluck('id'), [1, 2, 3]);
  });
});

suite('ids and kinds', (test) => {
  test('idAttribute of the model', async (kit) => {
    const Thing = kit.Model.extend({ idAttribute: '_id' });
    const c = await kit.make([{ _id: 'x', id: 5 }], { model: Thing });
    assert.equal(c.get('x').id, 'x');
    assert.equal(c.get(5), undefined);
    c.set([{ _id: 'x', label: 'l' }]);
    assert.equal(c.length, 1);
    assert.equal(c.get('x').get('label'), 'l');
  });

  test('modelId is the authority', async (kit) => {
    const Stamped = kit.Collection.extend({ modelId: (attrs) => attrs.type + attrs.id });
    const c = await kit.make([{ type: 'a', id: 1 }, { type: 'b', id: 1 }], {}, Stamped);
    assert.equal(c.length, 2);
    assert.equal(c.get('b1').get('type'), 'b');
    assert.equal(c.get({ type: 'a', id: 1 }), c.at(0));
  });

  test('modelId follows the attributes it is made of', async (kit) => {
    const Stamped = kit.Collection.extend({ modelId: (attrs) => attrs.id && attrs.id * 100 });
    const c = await kit.make([{ id: 1 }], {}, Stamped);
    const m = c.get(100);
    m.set({ id: 2 });
    assert.equal(c.get(100), undefined);
    assert.equal(c.get(200), m);
  });

  test('model may be a function that chooses', async (kit) => {
    const A = kit.Model.extend({ kind: 'A' });
    const B = kit.Model.extend({ kind: 'B' });
    const Mixed = kit.Collection.extend({
      model(attrs, options) { return attrs.type === 'b' ? new B(attrs, options) : new A(attrs, options); },
      modelId: (attrs) => attrs.id
    });
    const c = await kit.make([{ id: 1, type: 'a' }, { id: 2, type: 'b' }], {}, Mixed);
    assert.deepEqual(c.map((m) => m.kind), ['A', 'B']);
    assert.equal(c.at(1).collection, c);
  });

  test('model may be an arrow function without a prototype', async (kit) => {
    const Mixed = kit.Collection.extend({
      model: (attrs, options) => new kit.Model(attrs, options),
      modelId: (attrs) => attrs.id
    });
    const c = await kit.make([{ id: 1 }], {}, Mixed);
    assert.equal(c.get(1).collection, c);
  });

  test('models get the options of the add, and the collection', async (kit) => {
    const seen = [];
    const Thing = kit.Model.extend({
      initialize(attrs, options) { seen.push([attrs.id, options.colour, options.collection]); }
    });
    const c = await kit.make([], { model: Thing });
    c.add({ id: 1 }, { colour: 'red' });
    assert.deepEqual(seen, [[1, 'red', c]]);
  });
});
