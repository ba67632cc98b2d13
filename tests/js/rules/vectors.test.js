// The collection's rules as data (tests/vectors/collection), run on LiveCollection.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { describe, it } = require('node:test');
const { LiveCollection, Backbone, Wire, CHANNEL, spell, shorten, rest } = require('./scripted');

const FOLDER = path.join(__dirname, '../../vectors/collection');

class Run {
  constructor({ options = {} }) {
    this.wire = new Wire();
    this.client = this.wire.client;
    const query = options.query ? '?' + new URLSearchParams(options.query) : '';
    const Todos = LiveCollection.extend({ url: CHANNEL + query });
    this.collection = new Todos(options.rows, {
      client: this.client, ...(options.seq && { seq: spell(options.seq) })
    });
  }

  async step(step) {
    const kind = Object.keys(step)[0];
    this[kind](step[kind], step);
    await rest();
  }

  subscribed(seq, { reset }) { this.client.confirm(seq && { seq: spell(seq), ...(reset && { reset }) }); }

  list(rows, { seq, until, next, created, as = 'whole' }) {
    const headers = {};
    if (created) headers['Live-Created'] = this.told(created);
    if (next) headers.Link = `<?page=${next}>; rel="next"`;
    if (seq) headers['Live-Seq'] = spell(seq);
    if (until) headers['Live-Until'] = spell(until);
    if (as !== 'unlabelled') headers[as === 'signal' ? 'Live-Signal' : 'Live-Channel'] = CHANNEL;
    this.wire.list(rows, headers);
  }

  told(created) {
    return JSON.stringify(Object.fromEntries(Object.entries(created).map(([name, id]) => [this.wire.origin(name), { id }])));
  }

  push(batch) {
    this.client.push(batch.map((message) => {
      const data = { ...message };
      if (message.seq) data.seq = spell(message.seq);
      if (message.prev) data.prev = spell(message.prev);
      if (message.origin) data.origin = this.wire.origin(message.origin);
      return data;
    }));
  }

  connected({ last }) { this.client.connected(last && { last: { [CHANNEL]: spell(last) } }); }

  rehandshake() { this.client.rehandshake(); }

  create(values, { name, wait = false }) {
    this.wire.write(name, () => { this[name] = this.collection.create(values, { wait }); });
  }

  save(id, { set, name, patch = false, wait = false }) {
    this.wire.write(name, () => this.collection.get(id).save(set, { patch, wait }));
  }

  destroy(id, { name, wait = false }) {
    this.wire.write(name, () => this.collection.get(id).destroy({ wait }));
  }

  again(first, { name }) { this.wire.write(name, () => this[first].save()); }

  local(id, { set }) { this.collection.get(id).set(set); }

  read(data) { this.collection.fetch(data === true ? {} : { data }); }

  answer(name, { status, seq, body }) {
    this.wire.reply(this.wire.names.get(name), status, seq ? { 'Live-Seq': spell(seq) } : {}, body);
  }

  lose(name) { this.wire.reply(this.wire.names.get(name), 0, {}); }

  expect(expected) {
    const { collection, client } = this;
    if (expected.documents) {
      const documents = collection.toJSON().sort((a, b) => (a.id || Infinity) - (b.id || Infinity));
      assert.deepEqual(documents, expected.documents);
    }
    if (expected.position) assert.equal(shorten(client.connect()), expected.position);
    if (expected.live) assert.equal(collection.live, expected.live);
    if (expected.unsaved) {
      const unsaved = collection.filter((model) => model.unsaved && !model.isNew());
      assert.deepEqual(unsaved.map((model) => model.id), expected.unsaved);
    }
    if (expected.asks) assert.deepEqual(client.log.splice(0).sort(), expected.asks.slice().sort());
    if (expected.asked) {
      const { headers } = this.wire.waiting.find((request) => request.isList);
      assert.equal(headers['Live-Origin'], expected.asked.map((name) => this.wire.origin(name)).join(', ') || undefined);
    }
    if (expected.origins) this.expectOrigins(expected.origins);
  }

  expectOrigins(pairs) {
    const named = [...this.wire.names.keys()];
    const found = [];
    named.forEach((one, i) => named.slice(i + 1).forEach((two) => {
      if (this.wire.origin(one) === this.wire.origin(two)) found.push([one, two]);
    }));
    assert.deepEqual(found, pairs);
  }

  close() {
    this.collection.unlisten();
    this.wire.close();
  }
}

const files = fs.readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
const read = (file) => JSON.parse(fs.readFileSync(path.join(FOLDER, file), 'utf8'));

it('there are vectors of each rule that is not Backbone\'s own', () => {
  const all = files.flatMap(read);
  assert.ok(all.length >= 30);
  assert.deepEqual([...new Set(all.flatMap((vector) => vector.rules))].sort(), [1, 2, 3, 4, 6, 7]);
});

for (const file of files) {
  describe(file, () => {
    for (const vector of read(file)) {
      const findings = (vector.findings || []).map((n) => ` (finding ${n})`).join('');
      it(vector.name + findings, async () => {
        const ajax = Backbone.ajax;
        const run = new Run(vector);
        try {
          await rest();
          for (const step of vector.steps) await run.step(step);
        } finally {
          run.close();
        }
        assert.equal(Backbone.ajax, ajax);
      });
    }
  });
}
