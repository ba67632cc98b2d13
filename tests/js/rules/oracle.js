// What must hold at every moment of a history, and at its end.
//
// Rules: no document twice; the states shown of a document only get newer; while a save is unanswered no
// attribute it sends shows any value but the user's; events alone are enough to keep a view; at the end the
// collection equals the server's rows, but for what reports itself unsaved and has a reason to.
'use strict';

const { same } = require('./log');

class Violation extends Error {}

class Oracle {
  constructor(world) {
    this.world = world;
    this.watched = [];
  }

  watch(watched) {
    const { collection } = watched;
    watched.shown = new Map();  // id → [era, v]
    watched.seqs = new Map();   // id → the last options.seq
    watched.view = new Map();   // cid → attributes, by events alone
    this.watched.push(watched);
    collection.on('all', (event, ...args) => this.hear(watched, event, args));
  }

  fail(text) { throw this.world.violation = this.world.violation || new Violation(text); }

  hear(watched, event, args) {
    const { collection, view } = watched;
    const [model, second, third] = args;
    if (event === 'add' && second === collection) view.set(model.cid, { ...model.attributes });
    if (event === 'remove' && second === collection) view.delete(model.cid);
    if (event === 'reset') {
      view.clear();
      for (const one of collection.models) view.set(one.cid, { ...one.attributes });
    }
    if (event === 'change' && view.has(model.cid)) view.set(model.cid, { ...model.attributes });
    if (event === 'update') this.checkTwins(watched);
    const options = event === 'change' ? second : third;
    if (event === 'add' || event === 'remove' || event === 'change') {
      this.notice(watched, event, model, options || {});
    }
    if (event === 'destroy' && options && options.live) this.fail('a pushed DELETE fired destroy');
  }

  notice(watched, event, model, options) {
    const { world } = this;
    world.note(`  ${watched.name} ${event} ${model.id || model.cid} ${JSON.stringify(model.attributes)}` +
      `${options.live ? ' live' : ''}`);
    if (event !== 'remove') this.checkOrder(watched, model);
    this.checkPending(model, event);
    if (!options.live || event === 'remove') return;
    if (typeof options.seq !== 'string') this.fail(`${event} by a push without options.seq`);
    const before = watched.seqs.get(model.id);
    const key = `${this.world.log.era}${options.seq}`;
    if (before && before.slice(-28, -20) === key.slice(-28, -20) && before > key && !this.world.log.isLost(before.slice(-28))) {
      this.fail(`seq fell for ${model.id}: ${before} then ${key}`);
    }
    watched.seqs.set(model.id, key);
  }

  checkOrder(watched, model) {
    const v = model.get('v');
    if (v === undefined || model.isNew()) return;
    const now = [model.get('era'), v];
    const before = watched.shown.get(model.id);
    if (before && now[1] !== before[1] && (now[0] < before[0] || (now[0] === before[0] && now[1] < before[1]))) {
      this.fail(`${watched.name} shows an older state of ${model.id}: ${before} then ${now}`);
    }
    watched.shown.set(model.id, now);
  }

  // Titles are given once: what is shown beside a model without an id, and has its title, is that model.
  checkTwins({ name, collection }) {
    for (const model of collection.filter((one) => one.isNew())) {
      const twin = collection.find((one) => one !== model && one.get('title') === model.get('title'));
      if (twin && !this.isGivenAgain(twin.id)) this.fail(`${name} shows ${twin.id || twin.cid} beside ${model.cid}, which is it`);
    }
  }

  // Whether more than one document had the id, or a squashed message may have told of it without its origin.
  isGivenAgain(id) {
    const { squashed, log } = this.world;
    return squashed || log.era > 1 || log.all.filter((entry) => entry.id === id && entry.method === 'POST').length > 1;
  }

  // What an answer shows to a request that left in an earlier log orders nothing.
  forget({ id }) { for (const { shown } of this.watched) shown.delete(id); }

  // While saves of a model are unanswered, what they send shows what the user said.
  checkPending(model, when) {
    const saves = this.world.ops.filter((op) =>
      op.model === model && (op.kind === 'save' || op.kind === 'create') && !op.unsent);
    const first = saves.find((op) => !op.settled);
    if (!first) return;
    const since = saves.filter((op) => op.n >= first.n);
    for (const name of ['title', 'done', 'note']) {
      const pending = since.filter((op) => !op.settled && name in op.sent);
      if (!pending.length) continue;
      const said = since.filter((op) => name in op.sent && op.n >= pending[0].n);
      const shownNow = said.filter((op) => !op.wait || op.kind === 'create');
      const allowed = said.filter((op) => op.wait && op.settled).map((op) => op.sent[name]);
      if (shownNow.length) allowed.push(shownNow[shownNow.length - 1].sent[name]);
      if (!shownNow.length) allowed.push(pending[0].frozen[name]);
      if (!allowed.includes(model.get(name))) {
        this.fail(`${when}: ${name} of ${model.id || model.cid} shows ${JSON.stringify(model.get(name))} ` +
          `while ${JSON.stringify(allowed)} is being saved`);
      }
    }
  }

  // After a failure the attributes that the save sent keep the user's values.
  checkKept({ model, sent }, shown) {
    for (const name of Object.keys(sent)) {
      if (model.get(name) !== shown[name]) {
        this.fail(`${name} of ${model.id} was ${JSON.stringify(shown[name])}, and after its save had failed ` +
          `is ${JSON.stringify(model.get(name))}`);
      }
    }
  }

  // After every step.
  check() {
    if (this.world.violation) throw this.world.violation;
    if (this.world.errors.length) throw this.world.errors[0];
    for (const watched of this.watched) {
      const { collection, view, name } = watched;
      const ids = new Set();
      for (const model of collection.models) {
        if (model.id !== undefined) {
          if (ids.has(model.id)) this.fail(`${name} holds ${model.id} twice`);
          ids.add(model.id);
          if (collection.get(model.id) !== model) this.fail(`${name}.get(${model.id}) is another model`);
        }
        this.checkOrder(watched, model);
        this.checkPending(model, 'after a step');
        if (!same(view.get(model.cid) || {}, model.attributes)) {
          this.fail(`${name}: the events about ${model.id || model.cid} tell ` +
            `${JSON.stringify(view.get(model.cid))}, it has ${JSON.stringify(model.attributes)}`);
        }
      }
      if (view.size !== collection.length) this.fail(`${name}: events tell ${view.size} models, ` +
        `it has ${collection.length}`);
    }
    this.checkUnanswered();
  }

  // While a destroy is unanswered, what it destroys stays hidden; while a create is, or where its answer was lost, its
  // row is no second model.
  checkUnanswered() {
    const { log, ops } = this.world;
    for (const op of ops) {
      const isLost = op.kind === 'create' && op.settled && op.failedAt !== undefined && op.entry;
      if (op.settled && !isLost) continue;
      const { collection, name } = op.watched;
      const shown = op.kind === 'destroy' ? collection.get(op.id) : op.entry && collection.get(op.entry.id);
      if (!shown || op.wait && !isLost || op.era !== log.era) continue;
      if (op.kind === 'destroy' && !this.world.shared && !this.isAnother(op)) {
        this.fail(`${name} shows ${op.id} while it is being destroyed`);
      }
      if (op.kind === 'create' && shown !== op.model && collection.get(op.model.cid) === op.model &&
        shown.get('v') === op.entry.body.v && !this.isReused(op.entry) && op.model.isNew()) {
        this.fail(`${name} shows ${op.entry.id} beside ${op.model.cid}, which is it`);
      }
    }
  }

  // Whether another document had the id before.
  isReused({ id, place }) {
    return this.world.squashed || this.world.log.era > 1 || this.world.log.all.some((entry) => entry.id === id && entry.place < place);
  }

  // Whether the id that is being destroyed may by now be another document's; a model that was never told its
  // state may be any.
  isAnother({ id, frozen }) {
    return frozen.v === undefined || this.world.log.all.some((entry) => entry.method === 'RESET' ||
      (entry.id === id && entry.method !== 'PUT' && entry.body && entry.body.v >= frozen.v &&
        (entry.method === 'DELETE' || entry.body.v > frozen.v)));
  }

  // When everything has been delivered.
  finish() {
    this.check();
    for (const watched of this.watched) {
      if (watched.collection.live !== 'live') this.fail(`${watched.name} is ${watched.collection.live}`);
      this.compare(watched);
    }
    for (const { kind, wait, model, entry, failedAt, watched } of this.world.ops) {
      if (kind !== 'create' || wait || entry || failedAt === undefined || this.world.remade) continue;
      if (this.world.ops.some((op) => op.model === model && op.entry)) continue;
      if (model.isNew() && !watched.collection.get(model.cid)) {
        this.fail(`${watched.name} has dropped ${model.cid}, whose create failed`);
      }
    }
  }

  compare(watched) {
    const { name, collection, holds } = watched;
    const { log, ops } = this.world;
    const rows = new Map([...log.rows].filter(([, row]) => holds(row)));
    const seen = new Set();
    for (const model of collection.models) {
      const failures = ops.filter((op) => op.model === model && op.failedAt !== undefined);
      if (model.isNew()) {
        if (!failures.length) this.fail(`${name} holds ${model.cid}, new and never refused`);
        this.checkLost(watched, model, failures);
        continue;
      }
      seen.add(model.id);
      const row = rows.get(model.id);
      if (model.unsaved) {
        if (!failures.length) this.fail(`${name}: ${model.id} says unsaved and nothing failed`);
        continue;
      }
      if (!row) this.fail(`${name} holds ${model.id}, which the server has not`);
      const { ui, era, ...shown } = model.attributes;
      if (!same(shown, row)) {
        this.fail(`${name}: ${model.id} is ${JSON.stringify(shown)}, the server has ${JSON.stringify(row)}`);
      }
    }
    for (const id of rows.keys()) if (!seen.has(id)) this.fail(`${name} lacks ${id}`);
  }

  // A create whose answer was lost is its row as soon as the push with its origin is heard; one that was heard before a
  // reset may have been passed over for that.
  checkLost({ name, client }, model, failures) {
    const { log, heardBy } = this.world;
    const heard = heardBy.get(client) || new Set();
    for (const { entry, seq } of failures) {
      // Where it is not told of as gone, what has its id may be another row.
      const gone = entry && (entry.isUndone || log.all.some((one) => one.place > entry.place &&
        (one.method === 'RESET' || (one.method === 'DELETE' && one.id === entry.id))));
      if (entry && !gone && log.rows.has(entry.id) && heard.has(seq)) {
        this.fail(`${name}: ${model.cid} is still new, though the push of its row ${entry.id} was heard`);
      }
    }
  }
}

module.exports = { Oracle, Violation };
