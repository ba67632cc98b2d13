// `fetch`, `create`, `save` and `destroy`: what is sent, and what an answer or a failure does.
'use strict';

const assert = require('node:assert/strict');
const Backbone = require('backbone');
const { suite, names } = require('./variants');

const ROWS = () => [{ id: 1, label: 'a' }, { id: 2, label: 'b' }];

async function things(kit, rows, extra) {
  return kit.make(rows, {}, kit.Collection.extend({ url: '/things', ...extra }));
}

suite('fetch', (test) => {
  test('sends one GET to the url', async (kit) => {
    const c = await things(kit);
    const xhr = c.fetch();
    assert.equal(kit.requests.length, 1);
    assert.equal(kit.requests.last.type, 'GET');
    assert.equal(kit.requests.last.url, '/things');
    assert.equal(xhr, kit.requests.last.xhr);
  });

  test('the url may be a function', async (kit) => {
    const c = await things(kit, [], { url() { return '/shelf/' + this.length; } });
    c.fetch();
    assert.equal(kit.requests.last.url, '/shelf/0');
  });

  test('the url may be given for once', async (kit) => {
    const c = await things(kit);
    c.fetch({ url: '/elsewhere' });
    assert.equal(kit.requests.last.url, '/elsewhere');
  });

  test('without a url it throws', async (kit) => {
    const c = await kit.make();
    c.url = undefined;
    assert.throws(() => c.fetch(), /url/);
  });

  test('the answer is set: events add, change, remove, then sync', async (kit) => {
    const c = await things(kit, ROWS());
    const events = kit.record(c, 'request add change remove update reset sync');
    c.fetch();
    kit.requests.answer([{ id: 2, label: 'B' }, { id: 3, label: 'c' }]);
    assert.deepEqual(names(events), ['request', 'change', 'remove', 'add', 'update', 'sync']);
    assert.deepEqual(c.toJSON(), [{ id: 2, label: 'B' }, { id: 3, label: 'c' }]);
  });

  test('request comes with the collection, the xhr and the options', async (kit) => {
    const c = await things(kit);
    const events = kit.record(c, 'request');
    c.fetch({ colour: 'red' });
    assert.equal(events[0][1], c);
    assert.equal(events[0][2], kit.requests.last.xhr);
    assert.equal(events[0][3].colour, 'red');
  });

  test('sync and success come with the collection, the answer and the options', async (kit) => {
    const c = await things(kit);
    const events = kit.record(c, 'sync');
    const context = {};
    let seen;
    c.fetch({ context, success(...args) { seen = [this, ...args]; } });
    kit.requests.answer(ROWS());
    assert.equal(seen[0], context);
    assert.equal(seen[1], c);
    assert.deepEqual(seen[2], ROWS());
    assert.equal(events[0][1], c);
    assert.deepEqual(events[0][2], ROWS());
    assert.equal(events[0][3], seen[3]);
  });

  test('success comes before sync', async (kit) => {
    const c = await things(kit);
    const order = [];
    c.on('sync', () => order.push('sync'));
    c.fetch({ success: () => order.push('success') });
    kit.requests.answer([]);
    assert.deepEqual(order, ['success', 'sync']);
  });

  test('reset: true resets', async (kit) => {
    const c = await things(kit, ROWS());
    const events = kit.record(c, 'add remove reset sync');
    c.fetch({ reset: true });
    kit.requests.answer([{ id: 9 }]);
    assert.deepEqual(names(events), ['reset', 'sync']);
    assert.deepEqual(c.pluck('id'), [9]);
  });

  test('remove: false keeps what the answer lacks', async (kit) => {
    const c = await things(kit, ROWS());
    c.fetch({ remove: false });
    kit.requests.answer([{ id: 9 }]);
    assert.deepEqual(c.pluck('id'), [1, 2, 9]);
  });

  test('goes through parse, with the options', async (kit) => {
    let seen;
    const c = await things(kit, [], {
      parse(response, options) {
        seen = options.colour;
        return response.map((row) => ({ ...row, parsed: true }));
      }
    });
    c.fetch({ colour: 'red' });
    kit.requests.answer([{ id: 1 }]);
    assert.equal(seen, 'red');
    assert.deepEqual(c.toJSON(), [{ id: 1, parsed: true }]);
  });

  test('parse: false does not', async (kit) => {
    const c = await things(kit, [], { parse() { throw new Error('parsed'); } });
    c.fetch({ parse: false });
    kit.requests.answer([{ id: 1 }]);
    assert.equal(c.length, 1);
  });

  test('a failure fires error, and calls error, and changes nothing', async (kit) => {
    const c = await things(kit, ROWS());
    const events = kit.record(c, 'error sync');
    let seen;
    c.fetch({ error(...args) { seen = args; } });
    const xhr = kit.requests.last.xhr;
    kit.requests.fail(500);
    assert.deepEqual(names(events), ['error']);
    assert.equal(events[0][1], c);
    assert.equal(events[0][2], xhr);
    assert.equal(seen[0], c);
    assert.equal(seen[1], xhr);
    assert.equal(c.length, 2);
  });

  test('data goes into the query', async (kit) => {
    const c = await things(kit);
    c.fetch({ data: { page: 2 } });
    assert.deepEqual(kit.requests.last.data, { page: 2 });
  });

  test('does not change the options it is given', async (kit) => {
    const c = await things(kit);
    const options = { colour: 'red' };
    c.fetch(options);
    kit.requests.answer([]);
    assert.deepEqual(options, { colour: 'red' });
  });

  test('sync of the collection may be overridden', async (kit) => {
    const seen = [];
    const c = await things(kit, [], { sync(method, object, options) { seen.push([method, object]); } });
    c.fetch();
    assert.deepEqual(seen, [['read', c]]);
    assert.equal(kit.requests.length, 0);
  });
});

suite('create', (test) => {
  test('adds at once, sends a POST, and takes the answer', async (kit) => {
    const c = await things(kit);
    const events = kit.record(c, 'add request change sync update');
    const m = c.create({ label: 'x' });
    assert.equal(c.at(0), m);
    assert.equal(m.isNew(), true);
    assert.equal(kit.requests.last.type, 'POST');
    assert.equal(kit.requests.last.url, '/things');
    assert.equal(kit.requests.last.contentType, 'application/json');
    assert.deepEqual(JSON.parse(kit.requests.last.data), { label: 'x' });
    kit.requests.answer({ id: 7, label: 'x', made: true });
    assert.equal(m.id, 7);
    assert.equal(m.get('made'), true);
    assert.equal(c.get(7), m);
    assert.deepEqual(names(events), ['add', 'update', 'request', 'change', 'sync']);
  });

  test('wait: true adds with the answer', async (kit) => {
    const c = await things(kit);
    const events = kit.record(c, 'add sync');
    const m = c.create({ label: 'x' }, { wait: true });
    assert.equal(c.length, 0);
    kit.requests.answer({ id: 7, label: 'x' });
    assert.equal(c.get(7), m);
    assert.deepEqual(names(events), ['add', 'sync']);
  });

  test('success comes with model, answer and options, after the add of wait: true', async (kit) => {
    const c = await things(kit);
    let seen;
    c.create({ label: 'x' }, {
      wait: true, success(model, response, options) { seen = [c.length, model, response, options.wait]; }
    });
    kit.requests.answer({ id: 7 });
    assert.deepEqual(seen, [1, c.get(7), { id: 7 }, true]);
  });

  test('a failure leaves the model in, new, with error on model and collection', async (kit) => {
    const c = await things(kit);
    const events = kit.record(c, 'error remove');
    let seen;
    const m = c.create({ label: 'x' }, { error(...args) { seen = args; } });
    const xhr = kit.requests.last.xhr;
    kit.requests.fail(422);
    assert.deepEqual(names(events), ['error']);
    assert.deepEqual([events[0][1], events[0][2]], [m, xhr]);
    assert.deepEqual([seen[0], seen[1]], [m, xhr]);
    assert.equal(c.at(0), m);
    assert.equal(m.isNew(), true);
  });

  test('a failure of wait: true adds nothing and still reports once', async (kit) => {
    const c = await things(kit);
    const events = kit.record(c, 'error add');
    c.create({ label: 'x' }, { wait: true });
    kit.requests.fail(422);
    assert.deepEqual(names(events), ['error']);
    assert.equal(c.length, 0);
  });

  test('takes a model that was made elsewhere', async (kit) => {
    const c = await things(kit);
    const m = new kit.Model({ label: 'x' });
    assert.equal(c.create(m), m);
    assert.equal(m.collection, c);
    kit.requests.answer({ id: 1, label: 'x' });
    assert.equal(c.get(1), m);
  });

  test('of a row with an id sends a PUT', async (kit) => {
    const c = await things(kit);
    c.create({ id: 'k', label: 'x' });
    assert.equal(kit.requests.last.type, 'PUT');
    assert.equal(kit.requests.last.url, '/things/k');
  });

  test('at and silent are the add’s', async (kit) => {
    const c = await things(kit, ROWS());
    const events = kit.record(c, 'add');
    c.create({ label: 'x' }, { at: 0, silent: true });
    assert.equal(c.at(0).get('label'), 'x');
    assert.deepEqual(events, []);
  });

  test('a sorted collection sorts it in', async (kit) => {
    const c = await things(kit, ROWS(), { comparator: 'label' });
    c.create({ label: 'aa' });
    assert.deepEqual(c.pluck('label'), ['a', 'aa', 'b']);
  });

  test('the answer goes through the parse of the model', async (kit) => {
    const Thing = kit.Model.extend({ parse: (response) => response.row || response });
    const c = await things(kit, [], { model: Thing });
    const m = c.create({ label: 'x' });
    kit.requests.answer({ row: { id: 3, label: 'x' } });
    assert.equal(m.id, 3);
  });

  test('does not change the options it is given', async (kit) => {
    const c = await things(kit);
    const options = { wait: true };
    c.create({ label: 'x' }, options);
    kit.requests.answer({ id: 1 });
    assert.deepEqual(options, { wait: true });
  });
});

suite('save', (test) => {
  test('shows at once, sends a PUT of everything, and takes the answer', async (kit) => {
    const c = await things(kit, ROWS());
    const m = c.get(1);
    const events = kit.record(c, 'change request sync');
    m.save({ label: 'A' });
    assert.equal(m.get('label'), 'A');
    assert.equal(kit.requests.last.type, 'PUT');
    assert.equal(kit.requests.last.url, '/things/1');
    assert.deepEqual(JSON.parse(kit.requests.last.data), { id: 1, label: 'A' });
    kit.requests.answer({ id: 1, label: 'A', made: true });
    assert.equal(m.get('made'), true);
    assert.deepEqual(names(events), ['change', 'request', 'change', 'sync']);
  });

  test('patch: true sends what was given', async (kit) => {
    const c = await things(kit, ROWS());
    c.get(1).save({ label: 'A' }, { patch: true });
    assert.equal(kit.requests.last.type, 'PATCH');
    assert.deepEqual(JSON.parse(kit.requests.last.data), { label: 'A' });
  });

  test('wait: true shows with the answer', async (kit) => {
    const c = await things(kit, ROWS());
    const m = c.get(1);
    m.save({ label: 'A' }, { wait: true });
    assert.equal(m.get('label'), 'a');
    assert.deepEqual(JSON.parse(kit.requests.last.data), { id: 1, label: 'A' });
    kit.requests.answer({ id: 1, label: 'A' });
    assert.equal(m.get('label'), 'A');
  });

  test('wait: true takes the sent values where the answer says nothing of them', async (kit) => {
    const c = await things(kit, ROWS());
    const m = c.get(1);
    m.save({ extra: 'A' }, { wait: true });
    kit.requests.answer({ id: 1, label: 'a', other: 1 });
    assert.deepEqual(m.attributes, { id: 1, label: 'a', other: 1, extra: 'A' });
  });

  test('a failure keeps the user’s values, with error', async (kit) => {
    const c = await things(kit, ROWS());
    const m = c.get(1);
    const events = kit.record(c, 'error');
    m.save({ label: 'A' });
    kit.requests.fail(422);
    assert.equal(m.get('label'), 'A');
    assert.equal(events[0][1], m);
  });

  test('a failure of wait: true changes nothing', async (kit) => {
    const c = await things(kit, ROWS());
    const m = c.get(1);
    m.save({ label: 'A' }, { wait: true });
    kit.requests.fail(500);
    assert.equal(m.get('label'), 'a');
  });

  test('key and value may be given apart; success gets model, answer, options', async (kit) => {
    const c = await things(kit, ROWS());
    const m = c.get(1);
    let seen;
    m.save('label', 'A', { success(...args) { seen = args; } });
    kit.requests.answer({ id: 1, label: 'A' });
    assert.equal(seen[0], m);
    assert.deepEqual(seen[1], { id: 1, label: 'A' });
    assert.equal(typeof seen[2], 'object');
  });

  test('an invalid model is not sent', async (kit) => {
    const Thing = kit.Model.extend({ validate: (attrs) => (attrs.label ? undefined : 'no label') });
    const c = await things(kit, ROWS(), { model: Thing });
    const events = kit.record(c, 'invalid');
    const m = c.get(1);
    assert.equal(m.save({ label: '' }), false);
    assert.equal(m.get('label'), 'a');
    assert.equal(events[0][2], 'no label');
    assert.equal(kit.requests.length, 0);
  });

  test('what the server computes is shown, with change', async (kit) => {
    const c = await things(kit, ROWS());
    const m = c.get(1);
    m.save({ label: ' A ' });
    const events = kit.record(m, 'change:label');
    kit.requests.answer({ id: 1, label: 'A' });
    assert.equal(m.get('label'), 'A');
    assert.equal(events.length, 1);
  });

  test('two saves one after the other', async (kit) => {
    const c = await things(kit, ROWS());
    const m = c.get(1);
    m.save({ label: 'A' });
    kit.requests.answer({ id: 1, label: 'A' });
    m.save({ label: 'AA' });
    kit.requests.answer({ id: 1, label: 'AA' });
    assert.equal(m.get('label'), 'AA');
    assert.equal(kit.requests.length, 2);
  });

  test('fetch of a model sets the answer', async (kit) => {
    const c = await things(kit, ROWS());
    const m = c.get(1);
    m.fetch();
    assert.equal(kit.requests.last.url, '/things/1');
    kit.requests.answer({ id: 1, label: 'new' });
    assert.equal(m.get('label'), 'new');
  });

  test('headers and beforeSend of the user are kept', async (kit) => {
    const c = await things(kit, ROWS());
    let seen = false;
    c.get(1).save({ label: 'A' }, {
      headers: { 'X-Mine': '1' }, beforeSend(xhr) { seen = true; xhr.setRequestHeader('X-Too', '2'); }
    });
    assert.equal(kit.requests.last.params.headers['X-Mine'], '1');
    assert.equal(seen, true);
  });
});

suite('destroy', (test) => {
  test('takes it out at once, sends a DELETE, then syncs', async (kit) => {
    const c = await things(kit, ROWS());
    const m = c.get(1);
    const events = kit.record(c, 'destroy remove update request');
    const own = kit.record(m, 'sync');
    const xhr = m.destroy();
    assert.equal(xhr, kit.requests.last.xhr);
    assert.equal(kit.requests.last.type, 'DELETE');
    assert.equal(kit.requests.last.url, '/things/1');
    assert.equal(kit.requests.last.data, undefined);
    assert.equal(c.get(1), undefined);
    assert.deepEqual(names(events), ['request', 'remove', 'update', 'destroy']);
    kit.requests.answer(undefined);
    assert.equal(own.length, 1);
  });

  test('destroy comes with the model, the collection and the options', async (kit) => {
    const c = await things(kit, ROWS());
    const m = c.get(1);
    const events = kit.record(c, 'destroy');
    m.destroy({ colour: 'red' });
    assert.equal(events[0][1], m);
    assert.equal(events[0][2], c);
    assert.equal(events[0][3].colour, 'red');
  });

  test('wait: true takes it out with the answer', async (kit) => {
    const c = await things(kit, ROWS());
    const m = c.get(1);
    m.destroy({ wait: true });
    assert.equal(c.get(1), m);
    kit.requests.answer(undefined);
    assert.equal(c.get(1), undefined);
  });

  test('wait: true that fails leaves it', async (kit) => {
    const c = await things(kit, ROWS());
    const events = kit.record(c, 'error destroy remove');
    c.get(1).destroy({ wait: true });
    kit.requests.fail(403);
    assert.equal(c.length, 2);
    assert.deepEqual(names(events), ['error']);
  });

  test('success and error get the model', async (kit) => {
    const c = await things(kit, ROWS());
    const [one, two] = c.models;
    const seen = [];
    one.destroy({ success: (m) => seen.push(['success', m]) });
    kit.requests.answer(undefined);
    two.destroy({ wait: true, error: (m) => seen.push(['error', m]) });
    kit.requests.fail(500);
    assert.deepEqual(seen, [['success', one], ['error', two]]);
  });
});

suite('manners', (test) => {
  test('Backbone itself is as it was', async (kit) => {
    const before = { sync: Backbone.sync, Model: Backbone.Model, Collection: Backbone.Collection };
    const prototype = { ...Backbone.Collection.prototype };
    const c = await things(kit, ROWS());
    c.fetch();
    kit.requests.answer([]);
    assert.equal(Backbone.sync, before.sync);
    assert.equal(Backbone.Model, before.Model);
    assert.equal(Backbone.Collection, before.Collection);
    assert.deepEqual({ ...Backbone.Collection.prototype }, prototype);
  });

  test('the models are plain models', async (kit) => {
    const c = await things(kit, ROWS());
    assert.equal(c.at(0).constructor, Backbone.Model);
    assert.deepEqual(Object.keys(c.at(0).attributes), ['id', 'label']);
  });
});
