// One history: drawn from its seed, played in real time, healed, and judged.
//
// Rules: what is done, where, and after which pause is a function of the seed; what it meets is not, since the time is
// real, so a history that failed need not fail again, and its trace is what tells. What is rare and concerns all (the
// server's end, a cause of resets) is one per history, in turn. At the end each line heals, what failed is repeated, and
// somebody writes once more.
'use strict';

const { own } = require('../rules/commands');
const { generator } = require('../rules/clock');
const causes = require('./causes');
const weather = require('./weather');
const { judge } = require('./judge');
const { pause, until } = require('./waiting');
const { World } = require('./world');

const STEPS = [40, 70];
const PAUSE = 90;       // milliseconds at most between steps
const LONG = 700;       // now and then
const REST = 30e3;      // milliseconds in which all must come to rest once the lines have healed and a server is there
const REPEATS = 5;      // times that a user tries again what failed

const WEIGHTS = {
  own: { create: 6, save: 10, again: 2, destroy: 3, fetch: 3, fetchData: 1, fetchModel: 1, mark: 1 },
  shell: { insert: 3, update: 5, unset: 2, toggle: 2, remove: 2, transaction: 2, rolledBack: 1 },
  lines: { cut: 3, cutAll: 1, refuse: 1, halfOpen: 2, delay: 2, throttle: 3, age: 2, away: 2, garble: 3 }
};
const KINDS = { own, ...weather, ...causes };
const CHOICES = Object.entries(WEIGHTS).flatMap(([kind, ops]) =>
  Object.entries(ops).map(([op, weight]) => ({ kind, op, weight })));
const TOTAL = CHOICES.reduce((sum, { weight }) => sum + weight, 0);

// By the seed, what happens in the middle of the history; most of the others are spared. What takes a server and a
// database of its own, or shows in all histories of a site, comes once in twice as many.
const OFTEN = [
  ['log blind'], ['server stop'], ['log trim'], ['log rebuild'], [], ['log bulk'], ['server kill'], ['log trim'], ['log blind'], [],
  [], ['log rebuild'], ['log trim'], [], [], ['log bulk'], [], [], [], []
];
const SELDOM = { 14: ['back backup', 'back restore'], 19: ['log epoch'] };
const ROTA = [...OFTEN, ...OFTEN.map((rare, number) => SELDOM[number] || rare)];
const inTurn = (seed) => ROTA[seed % ROTA.length];
// Where a history is played: what befalls the whole log is kept from those that must not see any of it, and who puts
// the database back has it alone.
const PLACES = { 'log trim': 'rough', 'log epoch': 'rough', 'back restore': 'alone' };
const placeFor = (seed) => inTurn(seed).map((name) => PLACES[name]).find(Boolean) || 'calm';

// The plan of a history, as a function of its seed.
function draw(seed) {
  const random = generator(seed), below = (n) => Math.floor(random() * n);
  const choose = () => {
    let left = random() * TOTAL;
    return CHOICES.find(({ weight }) => (left -= weight) < 0) || CHOICES[0];
  };
  const transport = () => (random() < 0.6 ? 'websocket' : 'long-polling');
  const clients = [{ transport: transport(), setup: ['one', 'twin', 'signal'][below(3)] }, { transport: transport() }];
  if (random() < 0.4) clients.push({ transport: transport(), setup: ['one', 'twin'][below(2)] });
  const steps = Array.from({ length: STEPS[0] + below(STEPS[1] - STEPS[0] + 1) }, () => {
    const { kind, op } = choose();
    return { kind, op, a: below(60), b: below(60), c: below(60), after: below(random() < 0.06 ? LONG : PAUSE) };
  });
  const rare = inTurn(seed);
  for (const [index, name] of rare.entries()) {
    const [kind, op] = name.split(' '), at = Math.floor(steps.length * (index + 1) / (rare.length + 1));
    steps.splice(at, 0, { kind, op, a: below(60), b: below(60), c: below(60), after: below(PAUSE) });
  }
  return { seed, clients, nullable: true, rows: below(5), joined: random() < 0.7, steps };
}

// Lines end their faults when it is time.
function weathers(world, all) {
  for (const line of world.lines) {
    if (!line.until || !all && Date.now() < line.until) continue;
    line.until = 0;
    line.tell('heal');
    world.note(`${line.name} heals`);
  }
}

function step(world, { kind, op, ...numbers }) {
  const told = KINDS[kind][op](world, numbers);
  world.count(`${kind} ${op}`);
  if (typeof told === 'string') world.note(told);
}

async function wait(world, milliseconds) {
  const end = Date.now() + milliseconds;
  do {
    weathers(world);
    world.check();
    await pause(Math.min(15, Math.max(0, end - Date.now())));
  } while (Date.now() < end);
}

// Everything is answered, and everybody sees the truth.
async function rest(world) {
  const begun = Date.now();
  let why = '';
  await until(async () => {
    world.check();
    const waits = world.pending().map((op) => `${op.kind} of ${op.model.id || op.model.cid}`);
    why = waits.length ? `unanswered: ${waits}` : '';
    const truth = why ? null : await world.truth();
    if (!why) why = judge.differences(world, truth);
    if (!why) world.log.rows = truth;
    return !why;
  }, REST, () => `not at rest after ${REST / 1000} s: ${why}`, { step: 150, since: () => world.site.since });
  world.sees();
  return Date.now() - begun;
}

// A user tries again what failed, until nothing is unsaved.
async function repeat(world) {
  for (let times = 0; times < REPEATS; times++) {
    const failed = new Map(world.live.flatMap((watched) => watched.collection
      .filter((model) => model.unsaved || model.isNew()).map((model) => [model, watched])));
    if (!failed.size) return;
    for (const [model, watched] of failed) {
      // A PUT's own is only what differs from what is known, and that may be anything here.
      const { id, v, ui, ...sent } = model.isNew() ? model.attributes : {};
      world.write(model.isNew() ? 'create' : 'save', watched, model, sent, {}, (options) => { model.save(null, options); });
    }
    await rest(world);
  }
  world.oracle.fail('what failed fails again on a healthy line');
}

// Run a history. Returns its world; throws what was violated, with the trace.
async function play(config, site, LiveCollection) {
  const world = new World(config, site, LiveCollection);
  try {
    for (let i = 0; i < config.rows; i++) weather.shell.insert(world, { b: i });
    await world.waited();
    await world.start();
    if (config.joined) await rest(world);
    for (const one of config.steps) {
      step(world, one);
      await wait(world, one.after);
    }
    while (world.awaited.size) await wait(world, PAUSE);
    world.note('HEAL');
    weathers(world, true);
    world.healed = true;
    await site.restarting;
    world.rested = await rest(world);
    judge.compare(world, await judge.readLog(world));
    await repeat(world);
    world.note(weather.shell.insert(world, { b: 0 }));
    await world.waited();
    await rest(world);
    const log = await judge.readLog(world);
    await rest(world);
    judge.finish(world, log);
    await judge.resets(world);
  } catch (error) {
    error.trace = world.trace;
    throw error;
  } finally {
    await world.stop();
  }
  return world;
}

module.exports = { draw, play, placeFor, WEIGHTS, ROTA };
