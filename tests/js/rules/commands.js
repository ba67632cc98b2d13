// The steps of which a history is made. Each is {op, a, b, c}: what happens, and three small numbers that
// choose where; a step that finds nothing to act on does nothing.
//
// Rule: single steps make any interleaving possible; a few courses (lists of steps) make the interesting
// ones frequent. They too may be cut short or mixed, since what they leave on the way stays there.
'use strict';

const REFUSALS = { save: [422, 403, 500, 503], create: [422, 409, 500, 503], destroy: [403, 409, 500, 503] };

const pick = (list, n) => list[n % list.length];

function saved(world, a) {
  const watched = pick(world.live, a);
  return { watched, models: watched.collection.models.filter((model) => !model.isNew()) };
}

// Whether a model shows what the server has: to hand on an old one would be the user's own doing. Nor is a
// model shared over a restore: its collections may not hear of that at the same moment.
function isCurrent(world, model) {
  const row = world.log.rows.get(model.id);
  return world.log.era === 1 && row !== undefined && row.v === model.get('v');
}

// ---- the user

const own = {
  create(world, { a, b, c }) {
    const watched = pick(world.live, a);
    const sent = { title: `u${++world.values}`, done: b % 2 === 0 };
    if (world.config.nullable || b % 3) sent.note = `m${++world.values}`;
    const wait = c % 3 === 0;
    if (watched.name === 'signal') sent.done = true;
    return world.write('create', watched, undefined, sent, { wait },
      (options) => watched.collection.create(sent, options));
  },

  save(world, { a, b, c }) {
    const { watched, models } = saved(world, a);
    if (!models.length) return undefined;
    const model = pick(models, b);
    const sent = {};
    if (c % 2) sent.title = `u${++world.values}`;
    if (c % 5 === 0) sent.done = !model.get('done');
    if (c % 7 === 0) sent.note = `m${++world.values}`;
    if (!Object.keys(sent).length) sent.title = `u${++world.values}`;
    const options = { wait: c % 3 === 0 };
    if (c % 4 === 0) options.patch = true;
    return world.write('save', watched, model, sent, options, (all) => { model.save(sent, all); });
  },

  // Save again as it is: a no-op, or another try of what failed.
  again(world, { a, b, c }) {
    const { collection } = pick(world.live, a);
    const failed = collection.models.filter((model) => model.isNew() &&
      world.ops.every((op) => op.model !== model || op.settled));
    const models = failed.length ? failed : collection.models.filter((model) => !model.isNew());
    if (!models.length) return undefined;
    const model = pick(models, b);
    const kind = model.isNew() ? 'create' : 'save';
    const { id, v, era, ui, ...sent } = kind === 'create' ? model.attributes : {};
    return world.write(kind, pick(world.live, a), model, sent, { wait: c % 3 === 0 },
      (options) => { model.save(null, options); });
  },

  destroy(world, { a, b, c }) {
    const { watched, models } = saved(world, a);
    if (!models.length) return undefined;
    const model = pick(models, b);
    return world.write('destroy', watched, model, {}, { wait: c % 3 === 0 },
      (options) => { model.destroy(options); });
  },

  fetch(world, { a, c }) {
    const { collection, name } = pick(world.live, a);
    world.note(`${name}: fetch`);
    if (c % 8 === 0) world.remade = true;
    collection.fetch(c % 8 === 0 ? { reset: true } : {});
  },

  fetchData(world, { c }) {
    world.note('main: fetch({data})');
    world.live[0].collection.fetch({ data: { done: c % 2 === 0 } });
  },

  fetchModel(world, { a, b }) {
    const { models, watched } = saved(world, a);
    if (!models.length || world.config.postgres) return;
    const model = pick(models, b);
    world.note(`${watched.name}: fetch of ${model.id}`);
    model.fetch();
  },

  // One model object in both collections.
  share(world, { b }) {
    if (world.config.setup !== 'twin') return;
    const [main, twin] = world.live.map(({ collection }) => collection);
    const isAwaited = ({ id }) => world.ops.some((op) => op.kind === 'create' && op.entry && op.entry.id === id && op.model.isNew());
    const models = main.models.filter((model) =>
      isCurrent(world, model) && !twin.get(model.id) && !isAwaited(model));
    if (!models.length) return;
    world.shared = true;
    twin.add(pick(models, b));
  },

  // As an application does it that hands one collection's models to the next.
  shareAll(world) {
    if (world.config.setup !== 'twin') return;
    const [main, twin] = world.live.map(({ collection }) => collection);
    if (world.pending().length || !main.every((model) => isCurrent(world, model)) ||
      twin.some((model) => !main.get(model.id))) return;
    world.shared = world.remade = true;
    twin.reset(main.models.filter((model) => !model.isNew()));
  },

  // A mark of this page's own, which no server knows.
  mark(world, { a, b }) {
    const { models } = saved(world, a);
    if (models.length) pick(models, b).set('ui', `mark ${++world.values}`);
  }
};

// ---- everybody else

function rowIds(world) {
  return [...world.log.rows.keys()].filter((id) => !world.log.locked.has(id));
}

const other = {
  insert(world) {
    world.log.insert(world.freshValues());
    return 'insert';
  },

  update(world, { b, c }) {
    const ids = rowIds(world);
    if (!ids.length) return undefined;
    const id = pick(ids, b);
    const { v, id: key, ...old } = world.log.rows.get(id);
    const fresh = world.freshValues();
    const values = { ...old };
    if (c % 2) values.title = fresh.title;
    if (c % 3 === 0) values.done = !old.done;
    if (c % 2 === 0) values.note = fresh.note || `n${++world.values}`;
    world.log.replace(id, values);
    return `update ${id}`;
  },

  bulk(world, { b }) {
    for (let i = 0; i < 3; i++) other.update(world, { b: b + i, c: i + 1 });
    return 'bulk update';
  },

  remove(world, { b }) {
    const ids = rowIds(world);
    if (ids.length) world.log.remove(pick(ids, b));
    return ids.length ? 'delete' : undefined;
  },

  unset(world, { b }) {
    const ids = rowIds(world).filter((id) => world.log.rows.get(id).note !== undefined);
    if (!ids.length || world.config.nullable) return undefined;
    const id = pick(ids, b);
    const { v, note, id: key, ...rest } = world.log.rows.get(id);
    world.log.replace(id, rest);
    world.count('field removed');
    return `unset note of ${id}`;
  },

  elsewhere(world) {
    world.log.elsewhere();
    return 'a change of another resource';
  },

  begin(world, { b }) {
    const ids = rowIds(world);
    if (!world.config.postgres || !ids.length || world.log.locked.size) return undefined;
    world.log.begin(pick(ids, b), { title: `s${++world.values}` });
    return 'a transaction draws its place';
  },

  commit(world) {
    if (!world.log.locked.size) return undefined;
    world.log.commitAll();
    return 'the transaction is seen';
  },

  trim(world, { c }) {
    world.log.trim(c % 4);
    return 'trim';
  },

  resetEntry(world, { c }) {
    if (world.log.locked.size) return undefined;
    if (c % 3 === 0) world.log.resetEntry(new Map());
    else world.log.resetEntry();
    return c % 3 === 0 ? 'TRUNCATE' : 'RESET';
  }
};

// ---- the network and the server's process

function deliverable(world, kinds) {
  return world.network.ready(kinds).filter((parcel) =>
    parcel.kind !== 'request' || !world.rest.isBlocked(parcel.about.exchange.request));
}

async function deliverFirst(world, kinds, n, fate) {
  const ready = deliverable(world, kinds);
  if (ready.length) await world.deliver(pick(ready, n), fate);
  return ready.length > 0;
}

function fateOf(parcel, c) {
  const { exchange } = parcel.about;
  if (!exchange.op || c % 4) return 'ok';
  return pick(REFUSALS[exchange.op.kind], c >> 2);
}

const wire = {
  serve: async (world, { b, c }) => {
    const ready = deliverable(world, ['request']);
    if (!ready.length) return;
    const parcel = pick(ready, b);
    await world.deliver(parcel, fateOf(parcel, c));
  },
  answer: (world, { b }) => deliverFirst(world, ['answer'], b),
  push: (world, { b }) => deliverFirst(world, ['down', 'reply'], b),
  up: (world, { b }) => deliverFirst(world, ['up', 'poll', 'open'], b),
  any: (world, { b }) => deliverFirst(world, undefined, b),

  // All that Bayeux has on its way, in order.
  pushes: async (world) => {
    world.bayeux.publish();
    for (let i = 0; i < 12; i++) {
      if (!await deliverFirst(world, ['up', 'poll', 'open', 'down', 'reply'], 0)) return;
    }
  },

  all: async (world) => {
    world.bayeux.publish();
    for (let i = 0; i < 40; i++) if (!await deliverFirst(world, undefined, 0)) return;
  },

  loseRequest: async (world, { b }) => {
    const ready = deliverable(world, ['request']);
    if (ready.length) await world.lose(pick(ready, b));
  },

  loseAnswer: async (world, { b, c }) => {
    const ready = deliverable(world, ['answer']);
    if (!ready.length) return;
    const parcel = pick(ready, b);
    const { exchange } = parcel.about;
    if (c % 3) return void await world.lose(parcel);
    exchange.answer = { status: 502, headers: {}, body: undefined };
    await world.deliver(parcel, 502);
  },

  losePoll: async (world, { b }) => {
    const ready = deliverable(world, ['poll', 'reply']);
    if (ready.length) await world.lose(pick(ready, b));
  },

  thin: (world, { b }) => {
    const ready = deliverable(world, ['down']).filter((parcel) => world.messagesOf(parcel).some((one) => one.data));
    if (ready.length) world.thin(pick(ready, b));
  },

  cut: (world) => world.cut(),
  tick: (world) => world.tick(),
  publish: (world) => { world.bayeux.publish(); },
  stall: (world) => { world.bayeux.stall(); },
  unstall: (world) => {
    world.squashed = true;
    world.bayeux.unstall();
  },

  // The sessions have expired.
  forget: (world) => {
    world.note('the server forgets its sessions');
    world.bayeux.forget();
    world.count('session lost');
  },

  restart: async (world) => {
    world.note('the server starts again');
    world.bayeux.forget();
    await world.cut();
    world.count('session lost');
  },

  backup: (world) => {
    world.log.commitAll();
    world.bayeux.publish();
    world.backup = world.log.backup();
    world.backup.ops = world.ops.length;
  },

  // The database as it was at the backup.
  restore: async (world, { c }) => {
    if (world.shared) return;
    if (!world.backup) wire.backup(world);
    const fresh = c % 3 !== 0 || world.ops.length > world.backup.ops || world.pending().length > 0;
    if (!fresh && world.backup.epoch !== world.log.epoch) return;
    world.note(fresh ? 'RESTORED, another epoch' : 'RESTORED, the same epoch');
    world.log.restore(world.backup, fresh);
    world.bayeux.forget();
    await world.cut();
    world.backup = undefined;
    world.count(fresh ? 'epoch change' : 'log went back in its epoch');
  }
};

// ---- courses

async function served(world, op, fate = 'ok') {
  if (!op || !op.exchange || op.exchange.parcel.kind !== 'request') return;
  if (!world.rest.isBlocked(op.exchange.request)) await world.deliver(op.exchange.parcel, fate);
}

async function answered(world, op) {
  if (op && op.exchange && op.exchange.parcel.kind === 'answer' && !op.settled) {
    await world.deliver(op.exchange.parcel);
  }
}

const courses = {
  createThenDeleted: async (world, step) => {
    const op = own.create(world, step);
    await world.drain();
    await served(world, op);
    if (!op.entry || !world.log.rows.has(op.entry.id)) return;
    world.log.remove(op.entry.id);
    await wire.pushes(world);
    if (step.b % 2) await answered(world, op);
  },

  createThenRead: async (world, step) => {
    const op = own.create(world, step);
    await world.drain();
    await served(world, op);
    await world.reads(() => op.watched.collection.fetch());
    if (step.b % 2) await answered(world, op);
  },

  createLost: async (world, step) => {
    const op = own.create(world, step);
    await world.drain();
    await served(world, op);
    if (step.b % 2) await wire.pushes(world);
    if (op.exchange.parcel.kind === 'answer' && !op.settled) await world.lose(op.exchange.parcel);
    if (step.b % 3 === 0) own.again(world, { ...step, b: world.ops.length });
  },

  refused: async (world, step) => {
    const kind = pick(['create', 'save', 'destroy'], step.b);
    const op = own[kind](world, { ...step, b: step.b >> 2 });
    await world.drain();
    if (step.b % 2) {
      other.update(world, step);
      await wire.pushes(world);
    }
    await served(world, op, pick(REFUSALS[kind], step.c >> 1));
    await answered(world, op);
  },

  lost: async (world, step) => {
    const op = own[step.b % 2 ? 'save' : 'destroy'](world, { ...step, b: step.b >> 2 });
    await world.drain();
    await served(world, op);
    if (step.b % 3) await wire.pushes(world);
    if (op && op.exchange && op.exchange.parcel.kind === 'answer' && !op.settled) {
      await world.lose(op.exchange.parcel);
    }
  },

  early: async (world, step) => {
    const op = own[pick(['create', 'save', 'destroy'], step.b)](world, { ...step, b: step.b >> 2 });
    await world.drain();
    await served(world, op);
    const row = op && op.kind === 'save' ? rowIds(world).indexOf(op.model.id) : -1;
    if (step.b % 2 && row >= 0) other.update(world, { b: row, c: step.c });
    await wire.pushes(world);
    if (step.b % 3) await answered(world, op);
  },

  reversed: async (world, step) => {
    const first = own.save(world, step);
    const second = own.save(world, { ...step, c: step.c + 1 });
    await world.drain();
    await served(world, step.b % 5 ? first : second);
    await served(world, step.b % 5 ? second : first);
    if (step.b % 2) await wire.pushes(world);
    await answered(world, second);
    if (step.b % 3) await answered(world, first);
  },

  staleList: async (world, step) => {
    const request = await world.asked(() => own.fetch(world, step));
    if (!request) return;
    if (step.c % 2) own.save(world, { ...step, c: step.c });
    await world.deliver(request);
    other[pick(['update', 'insert', 'remove', 'bulk'], step.b)](world, step);
    await wire.pushes(world);
    const answer = request.about.exchange.parcel;
    if (answer.kind === 'answer') await world.deliver(answer);
  },

  // What has been heard of a row is undone by a restore, in the same epoch. The server can tell by the position that
  // is resumed from, if that is the newest: so with no older list under way.
  wentBack: async (world, step) => {
    const isReading = world.network.parcels.some(({ about }) => about.exchange);
    if (world.shared || isReading || world.pending().length) return;
    if (world.live.some(({ collection }) => collection.live !== 'live')) return;
    wire.backup(world);
    if (!other.update(world, step)) return;
    world.publish(true);
    await wire.pushes(world);
    await wire.restore(world, { ...step, c: 0 });
  },

  // A reset begins where the feed is. Lists tell meanwhile what comes after that, and are answered before it is.
  resetBehind: async (world) => {
    const { log, bayeux } = world, [{ collection }] = world.live, kinds = ['up', 'poll', 'open', 'down', 'reply'];
    if (log.locked.size || log.era > 1) return;
    await world.cut();
    log.resetEntry();
    bayeux.publish();
    bayeux.forget();
    const next = () => deliverable(world, kinds).slice(0, 1), isAnswer = (one) => one.channel === '/meta/subscribe' && one.successful;
    for (let i = 0; i < 20 && !next().some((parcel) => world.messagesOf(parcel).some(isAnswer)); i++) {
      await (next().length ? world.deliver(next()[0]) : world.tick());
    }
    const { id } = log.insert(world.freshValues());
    bayeux.publish();
    log.replace(id, world.freshValues());
    await world.reads(() => collection.fetch());
    log.remove(id);
    await world.reads(() => collection.fetch());
    for (let i = 0; i < 12; i++) await deliverFirst(world, kinds, 0);
  },

  // The last message before silence is written to a dying line.
  quiet: async (world, step) => {
    other[pick(['update', 'insert', 'remove'], step.b)](world, step);
    world.bayeux.publish();
    await world.cut();
  },

  again: async (world, step) => {
    const op = own.again(world, step);
    await world.drain();
    await served(world, op);
    if (step.b % 2) await answered(world, op);
  }
};

const WEIGHTS = {
  own: { create: 4, save: 9, again: 2, destroy: 3, fetch: 4, fetchData: 3, fetchModel: 1, share: 3,
    shareAll: 1, mark: 1 },
  other: { insert: 3, update: 7, bulk: 2, remove: 3, unset: 3, elsewhere: 2, begin: 3, commit: 2, trim: 1,
    resetEntry: 1 },
  wire: { serve: 9, answer: 9, push: 12, up: 6, any: 9, pushes: 2, all: 1, loseRequest: 1, loseAnswer: 2,
    losePoll: 1, thin: 2, cut: 2, tick: 4, publish: 2, stall: 1, unstall: 1, forget: 1, restart: 1, backup: 1,
    restore: 1 },
  courses: { createThenDeleted: 3, createThenRead: 3, createLost: 2, refused: 6, lost: 3, early: 3,
    reversed: 3, staleList: 3, wentBack: 2, quiet: 1, again: 2 }
};

const KINDS = { own, other, wire, courses };

async function run(world, step) {
  const kind = KINDS[step.kind];
  if (step.kind === 'other') {
    const told = kind[step.op](world, step);
    if (told) {
      world.note(`elsewhere: ${told}`);
      world.writers.add('elsewhere');
      world.publish();
    }
  } else {
    await kind[step.op](world, step);
  }
  await world.drain();
}

module.exports = { run, WEIGHTS, own, wire, other };
