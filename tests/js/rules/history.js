// One history: how it is generated, run to its end, and judged.
'use strict';

const fc = require('fast-check');
const { World } = require('./world');
const { run, WEIGHTS, other } = require('./commands');

const SHORTEST = 15;
const LONGEST = 45;

const small = fc.nat({ max: 59 });

const steps = Object.entries(WEIGHTS).flatMap(([kind, weights]) => Object.entries(weights)
  .map(([op, weight]) => ({
    weight, arbitrary: fc.record({ kind: fc.constant(kind), op: fc.constant(op), a: small, b: small, c: small })
  })));

const history = fc.record({
  seed: fc.nat({ max: 1e6 }),
  postgres: fc.boolean(),
  lagging: fc.boolean(),
  replyFirst: fc.boolean(),
  single: fc.boolean(),
  mute: fc.boolean(),
  nullable: fc.boolean(),
  joined: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  transport: fc.constantFrom('websocket', 'long-polling'),
  setup: fc.constantFrom('one', 'twin', 'twin', 'second', 'signal'),
  rows: fc.nat({ max: 4 }),
  ending: fc.constantFrom('quiet', 'plain', 'plain'),
  steps: fc.array(fc.oneof({ maxCrossShrink: true }, ...steps),
    { minLength: SHORTEST, maxLength: LONGEST, size: 'max' }),
  limit: fc.constantFrom(1, 2, 3, 0, 0, 0)
});

const HEAL_PARCELS = 1500;
const HEAL_TIME = 400e3;

// Everything is delivered and time passes: what is still wrong then stays wrong.
async function heal(world) {
  const { log, bayeux, network } = world;
  world.note('HEAL');
  log.commitAll();
  bayeux.unstall();
  for (const { collection } of world.live) if (collection.live === 'off') collection.listen();
  // What nothing follows on a line that stays up is missed by nobody: so something follows.
  if (world.thinned) log.insert(world.freshValues());
  bayeux.publish();
  const until = world.clock.now + HEAL_TIME;
  for (let i = 0; i < HEAL_PARCELS; i++) {
    const [parcel] = network.ready();
    if (parcel) await world.deliver(parcel);
    else if (!await world.tick(until)) return;
    bayeux.publish();
    world.oracle.check();
  }
  world.oracle.fail('it never comes to rest');
}

async function deliverAll(world) {
  for (let i = 0; i < 60; i++) {
    world.bayeux.publish();
    const [parcel] = world.network.ready();
    if (!parcel) return;
    await world.deliver(parcel);
  }
}

function countLastLost(world) {
  const entries = world.log.entries.filter((entry) => entry.channel === '/api/todos');
  const last = entries[entries.length - 1];
  if (!last || !last.committed) return;
  const seq = world.log.seqOf(last);
  if (world.lost.has(seq) && !world.heard.has(seq)) world.count('last message lost on a quiet channel');
}

// Runs a history. Returns its world; throws what was violated, with the trace.
async function play(config, { transcript = false } = {}) {
  const world = new World(config);
  if (transcript) world.transcribe();
  try {
    await world.start();
    if (config.joined) await deliverAll(world);
    for (const step of config.steps) {
      await run(world, step);
      world.oracle.check();
    }
    if (config.ending === 'quiet') {
      world.log.commitAll();
      await deliverAll(world);
      other.insert(world);
      world.bayeux.publish();
      await world.cut();
    }
    countLastLost(world);
    if (world.twinHeard) world.count('two collections on one client and channel');
    await heal(world);
    world.oracle.finish();
  } catch (error) {
    error.trace = world.trace;
    throw error;
  } finally {
    await world.stop();
  }
  return world;
}

module.exports = { history, play };
