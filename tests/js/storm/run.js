// Runs histories, several at a time: those of 40 seeds in a row meet each fault and each cause of a reset.
//
//   node tests/js/storm/run.js --seed 1 --histories 20 [--at-once 8] [--package PATH] [--shrink] [--steps 3,7,20] [--quiet]
//
// History number i has the seed `seed + i`. Exit code 0: all kept what is promised; 1: one did not, and its trace is on
// stdout, with the command that plays it again; 2: the storm itself could not go on. The last line is one of JSON: what
// occurred; with `--brief` only which history was the last, and the oracle's words or, if no oracle stopped it, what crashed.
//
// --package: a copy of the folder `livecollections` that is played on instead of ours, server and browser's side; that of
// LIVE_LIBRARY, if it is set.
// --shrink: leave out steps of the history that failed for as long as it fails without them.
// --steps: play only these, by number.
'use strict';

const path = require('node:path');
const { parseArgs } = require('node:util');

// Histories on one site: its server looks at each table whenever the schema changes.
const SHARED = 36;
const { LIVE_LIBRARY: LIBRARY } = process.env;
const HOME = LIBRARY ? path.join(path.dirname(LIBRARY), '..') : path.join(__dirname, '../../../src/livecollections');

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    histories: { type: 'string', default: '20' },
    'at-once': { type: 'string', default: '8' },
    package: { type: 'string', default: HOME },
    steps: { type: 'string' },
    shrink: { type: 'boolean', default: false },
    brief: { type: 'boolean', default: false },
    quiet: { type: 'boolean', default: false }
  }
});
const home = path.resolve(values.package);
// A library elsewhere finds Backbone here.
process.env.NODE_PATH = path.join(__dirname, '../../../node_modules');
require('node:module').Module._initPaths();

const { draw, play, placeFor } = require('./history');
const { Violation } = require('../rules/oracle');
const { shrink } = require('./shrink');
const { Site } = require('./site');
const { Unmet } = require('./waiting');
const LiveCollection = require(path.join(home, 'browser/livecollections.js'));

const seed = Number(values.seed), histories = Number(values.histories), atOnce = Math.min(Number(values['at-once']), histories);
const errors = [], sums = { counts: {}, met: {}, ends: {} };
let failure = null;
for (const event of ['uncaughtException', 'unhandledRejection']) process.on(event, (error) => errors.push(error));
console.warn = (...args) => errors.push(new Error(`console.warn: ${args.join(' ')}`));

function tell(text) { if (!values.quiet && process.stderr.isTTY) process.stderr.write(`\r${text} `); }

function add(sum, counts) {
  for (const [name, times] of Object.entries(counts)) sum[name] = (sum[name] || 0) + times;
}

// Let something happen on a site, and count what it met.
async function on(tables, act) {
  const site = new Site(tables, path.dirname(home));
  try {
    await site.open();
    await act(site);
    if (failure) return;
    for (const [fault, kinds] of Object.entries(await site.met())) add(sums.met[fault] = sums.met[fault] || {}, kinds);
    add(sums.ends, site.ends);
  } finally {
    await site.close();
  }
}

// What the server printed, but for its requests.
const told = ({ server }) => server.lines.join('').split('\n').filter((line) => !/ INFO +uvicorn/.test(line)).join('\n');

// Play one; its world, or what went wrong.
async function attempt(config, site) {
  let world;
  try {
    world = await play(config, site, LiveCollection);
    if (errors.length) throw Object.assign(errors[0], { trace: world.trace });
    return { world };
  } catch (error) {
    const { message, stack, trace = [] } = error, { seed: failed } = config;
    return { failure: { seed: failed, message, stack, trace, isSeen: error instanceof Violation || error instanceof Unmet, server: told(site) } };
  }
}

const planned = (number) => {
  const config = draw(seed + number);
  const kept = values.steps && values.steps.split(',').map(Number);
  return kept ? { ...config, steps: kept.map((index) => config.steps[index]), kept } : config;
};

// Several histories, so many at a time, until one has gone wrong.
async function players(count, configs, playOne) {
  const left = [...configs];
  await Promise.all(Array.from({ length: count }, async () => {
    while (left.length && !failure) await playOne(left.shift());
  }));
}

// One after another, so many as share a site.
async function crowds(configs, playCrowd) {
  for (let first = 0; first < configs.length && !failure; first += SHARED) await playCrowd(configs.slice(first, first + SHARED));
}

async function main() {
  const rests = [], begun = Date.now(), plans = Array.from({ length: histories }, (_, number) => planned(number));
  const one = async (config, site) => {
    const { world, failure: found } = await attempt(config, site);
    failure = failure || found && { ...found, config };
    if (!world) return;
    add(sums.counts, world.counts);
    rests.push(world.rested);
    tell(`${rests.length} of ${histories} histories, ${((Date.now() - begun) / 1000).toFixed(0)} s`);
  };
  const groups = ['calm', 'rough', 'alone'].map((place) => {
    const configs = plans.filter((config) => placeFor(config.seed) === place).map((config, index) => ({ ...config, table: index % SHARED }));
    const count = Math.max(1, Math.round(atOnce * configs.length / histories));
    if (!configs.length) return null;
    if (place === 'alone') return players(count, configs, (config) => on(1, (site) => one({ ...config, table: 0 }, site)));
    return crowds(configs, (crowd) => on(crowd.length, (site) => players(count, crowd, (config) => one(config, site))));
  });
  for (const { reason } of await Promise.allSettled(groups)) if (reason) throw reason;
  rests.sort((a, b) => a - b);
  const rest = { median: rests[rests.length >> 1], most: rests.at(-1) };
  return { histories: rests.length, seconds: (Date.now() - begun) / 1000, rest, ...sums };
}

// The trace of what failed, and how to see it again.
async function explain() {
  const again = (kept) => `node tests/js/storm/run.js --seed ${failure.seed} --histories 1${kept ? ` --steps ${kept}` : ''}`;
  let found = failure, { kept } = failure.config;
  if (values.shrink) {
    const { steps } = draw(failure.seed);
    ({ kept, failure: found } = await shrink(failure, kept || [...steps.keys()], async (numbers) => {
      let tried;
      errors.length = 0;
      await on(1, async (site) => {
        tried = await attempt({ ...draw(failure.seed), table: 0, steps: numbers.map((number) => steps[number]) }, site);
      });
      tell(`${numbers.length} steps: ${tried.failure ? 'it fails' : 'it passes'}`);
      return tried.failure;
    }));
  }
  // What matters most comes last: whoever cuts what is long keeps the end.
  console.log(`${found.server}\n\n${found.trace.join('\n')}\n\n${found.stack}\n\nagain (time is real, so it may pass): ${again(kept)}`);
}

main().then(async (report) => {
  const { seed: failed, message, isSeen = false } = failure || {};
  if (failure && !values.brief) await explain();
  const brief = { histories: failure ? failed - seed + 1 : histories, failure: isSeen ? message : null, crash: failure && !isSeen ? message : null };
  const said = values.brief ? brief : { ...report, ...failure && { failure: { seed: failed, message } } };
  process.stdout.write(`${JSON.stringify(said)}\n`, () => process.exit(failure ? 1 : 0));
}).catch((error) => {
  process.stdout.write(`${error.stack}\n`, () => process.exit(2));
});
