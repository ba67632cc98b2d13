// What a collection says of its models, and Underscore's methods on it.
'use strict';

const assert = require('node:assert/strict');
const { suite, names } = require('./variants');

const ROWS = () => [{ id: 1, n: 3 }, { id: 2, n: 1 }, { id: 3, n: 2 }];

suite('events of models', (test) => {
  test('come through the collection with their arguments', async (kit) => {
    const c = await kit.make(ROWS());
    const m = c.get(1);
    const events = kit.record(c);
    m.set({ n: 5 }, { colour: 'red' });
    assert.deepEqual(names(events), ['change:n', 'change']);
    assert.equal(events[0][1], m);
    assert.equal(events[0][2], 5);
    assert.equal(events[0][3].colour, 'red');
    assert.equal(events[1][1], m);
  });

  test('own events of a model come through as well', async (kit) => {
    const c = await kit.make(ROWS());
    const events = kit.record(c, 'cheer');
    c.get(2).trigger('cheer', 'a', 'b');
    assert.deepEqual(events, [['cheer', 'a', 'b']]);
  });

  test('changeId comes through, with the model and the old id', async (kit) => {
    const c = await kit.make(ROWS());
    const events = kit.record(c, 'changeId');
    const m = c.get(1);
    m.set('id', 10);
    assert.equal(events[0][1], m);
    assert.equal(events[0][2], 1);
  });

  test('add and remove of another collection do not', async (kit) => {
    const one = await kit.make(ROWS());
    const two = await kit.make();
    const events = kit.record(one, 'add remove');
    two.add(one.get(1));
    two.remove(one.get(1));
    assert.deepEqual(events, []);
  });

  test('destroy of a new model takes it out', async (kit) => {
    const c = await kit.make([{ n: 1 }]);
    const events = kit.record(c, 'destroy remove update');
    const m = c.at(0);
    assert.equal(m.destroy(), false);
    await new Promise(setImmediate);
    assert.deepEqual(names(events), ['remove', 'update', 'destroy']);
    assert.equal(c.length, 0);
    assert.equal(kit.requests.length, 0);
  });

  test('an update handler sees each model with its new values', async (kit) => {
    const c = await kit.make(ROWS());
    let seen;
    c.on('update', () => { seen = c.pluck('n'); });
    c.set([{ id: 1, n: 10 }, { id: 2, n: 20 }, { id: 3, n: 30 }]);
    assert.deepEqual(seen, [10, 20, 30]);
  });

  test('listenTo, once, off and stopListening', async (kit) => {
    const c = await kit.make(ROWS());
    const listener = new kit.Model();
    let heard = 0;
    let once = 0;
    listener.listenTo(c, 'add', () => { heard += 1; });
    c.once('add', () => { once += 1; });
    c.add({ id: 10 });
    c.add({ id: 11 });
    listener.stopListening(c);
    c.add({ id: 12 });
    c.off();
    assert.equal(heard, 2);
    assert.equal(once, 1);
  });

  test('trigger on the collection', async (kit) => {
    const c = await kit.make();
    const events = kit.record(c);
    assert.equal(c.trigger('cheer', 1), c);
    assert.deepEqual(events, [['cheer', 1]]);
  });

  test('a model that is in twice reports once', async (kit) => {
    const c = await kit.make(ROWS());
    const m = c.get(1);
    c.add(m);
    c.set([m, c.get(2), c.get(3)]);
    const events = kit.record(c, 'change');
    m.set('n', 9);
    assert.equal(events.length, 1);
  });
});

suite('Underscore', (test) => {
  const cases = {
    map: (c) => assert.deepEqual(c.map((m) => m.id), [1, 2, 3]),
    forEach: (c) => { let sum = 0; c.forEach((m) => { sum += m.id; }); assert.equal(sum, 6); },
    reduce: (c) => assert.equal(c.reduce((sum, m) => sum + m.get('n'), 0), 6),
    reduceRight: (c) => assert.equal(c.reduceRight((text, m) => text + m.id, ''), '321'),
    filter: (c) => assert.deepEqual(c.filter((m) => m.id > 1).map((m) => m.id), [2, 3]),
    reject: (c) => assert.deepEqual(c.reject({ n: 1 }).map((m) => m.id), [1, 3]),
    find: (c) => assert.equal(c.find((m) => m.get('n') === 2).id, 3),
    every: (c) => assert.equal(c.every((m) => m.id > 0), true),
    some: (c) => assert.equal(c.some({ n: 9 }), false),
    includes: (c) => assert.equal(c.includes(c.get(2)), true),
    invoke: (c) => assert.deepEqual(c.invoke('get', 'n'), [3, 1, 2]),
    max: (c) => assert.equal(c.max((m) => m.get('n')).id, 1),
    min: (c) => assert.equal(c.min((m) => m.get('n')).id, 2),
    sortBy: (c) => assert.deepEqual(c.sortBy('n').map((m) => m.id), [2, 3, 1]),
    groupBy: (c) => assert.deepEqual(Object.keys(c.groupBy((m) => m.id % 2)).sort(), ['0', '1']),
    countBy: (c) => assert.deepEqual(c.countBy((m) => m.id % 2), { 1: 2, 0: 1 }),
    indexBy: (c) => assert.equal(c.indexBy('n')[1].id, 2),
    partition: (c) => assert.deepEqual(c.partition((m) => m.id < 2).map((l) => l.length), [1, 2]),
    size: (c) => assert.equal(c.size(), 3),
    toArray: (c) => { assert.deepEqual(c.toArray(), c.models); assert.notEqual(c.toArray(), c.models); },
    first: (c) => { assert.equal(c.first().id, 1); assert.deepEqual(c.first(2).map((m) => m.id), [1, 2]); },
    initial: (c) => assert.deepEqual(c.initial().map((m) => m.id), [1, 2]),
    last: (c) => { assert.equal(c.last().id, 3); assert.deepEqual(c.last(2).map((m) => m.id), [2, 3]); },
    rest: (c) => assert.deepEqual(c.rest().map((m) => m.id), [2, 3]),
    without: (c) => assert.deepEqual(c.without(c.get(1)).map((m) => m.id), [2, 3]),
    difference: (c) => assert.deepEqual(c.difference([c.get(1), c.get(3)]).map((m) => m.id), [2]),
    indexOf: (c) => assert.equal(c.indexOf(c.get(3)), 2),
    lastIndexOf: (c) => assert.equal(c.lastIndexOf(c.get(1)), 0),
    isEmpty: (c) => { assert.equal(c.isEmpty(), false); c.reset(); assert.equal(c.isEmpty(), true); },
    shuffle: (c) => assert.deepEqual(c.shuffle().map((m) => m.id).sort(), [1, 2, 3]),
    sample: (c) => { assert.ok(c.includes(c.sample())); assert.equal(c.sample(2).length, 2); },
    chain: (c) => assert.deepEqual(
      c.chain().filter((m) => m.id > 1).map((m) => m.id * 2).value(), [4, 6]),
    findIndex: (c) => assert.equal(c.findIndex((m) => m.get('n') === 2), 2),
    findLastIndex: (c) => assert.equal(c.findLastIndex((m) => m.id < 3), 1)
  };

  for (const name of Object.keys(cases)) {
    test(name, async (kit) => cases[name](await kit.make(ROWS())));
  }

  test('a row as a predicate, a name as an iteratee', async (kit) => {
    const c = await kit.make(ROWS());
    assert.deepEqual(c.filter({ n: 1 }).map((m) => m.id), [2]);
    assert.deepEqual(c.map('n'), [3, 1, 2]);
    assert.equal(c.find({ n: 2 }).id, 3);
  });
});
