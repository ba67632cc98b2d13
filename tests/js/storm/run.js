// Runs histories against one server, several at a time. Exit code 0: all kept what is promised; 1: one did not, and its
// trace is on stdout; 2: the storm itself could not go on.
//
//   node tests/js/storm/run.js --seed 1 --histories 20 [--at-once 8] [--library PATH] [--quiet] [--brief]
//
// The last line is one of JSON: what occurred. History number i has the seed `seed + i`. With `--brief` it says only which
// history was the last, and the judge's words or, if it was no judge that stopped, what crashed.
'use strict';

const path = require('node:path');
const { parseArgs } = require('node:util');

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    histories: { type: 'string', default: '20' },
    'at-once': { type: 'string', default: '8' },
    library: { type: 'string', default: process.env.LIVE_LIBRARY ||
      path.join(__dirname, '../../../src/livecollections/browser/livecollections.js') },
    quiet: { type: 'boolean', default: false },
    brief: { type: 'boolean', default: false }
  }
});
// A library elsewhere finds Backbone here.
process.env.NODE_PATH = path.join(__dirname, '../../../node_modules');
require('node:module').Module._initPaths();

const { Violation } = require('../rules/oracle');
const { draw, play } = require('./history');
const { Site } = require('./site');
const { Unmet } = require('./waiting');
const LiveCollection = require(path.resolve(values.library));

const seed = Number(values.seed), histories = Number(values.histories), atOnce = Math.min(Number(values['at-once']), histories);
const errors = [];
for (const event of ['uncaughtException', 'unhandledRejection']) process.on(event, (error) => errors.push(error));
console.warn = (...args) => errors.push(new Error(`console.warn: ${args.join(' ')}`));

function tell(text) { if (!values.quiet && process.stderr.isTTY) process.stderr.write(`\r${text} `); }

async function main() {
  const site = new Site(histories), counts = {}, rests = [], begun = Date.now();
  let next = 0, failure = null;
  const player = async () => {
    while (next < histories && !failure) {
      const number = next++, config = draw(seed + number, number);
      try {
        const world = await play(config, site, LiveCollection);
        for (const [name, times] of Object.entries(world.counts)) counts[name] = (counts[name] || 0) + times;
        rests.push(world.rested);
        if (errors.length) throw Object.assign(errors[0], { trace: world.trace });
        if (site.faults.length) throw new Error(site.faults[0]);
      } catch (error) {
        failure = failure || { seed: config.seed, message: error.message, stack: error.stack, trace: error.trace,
          isJudged: error instanceof Violation || error instanceof Unmet };
      }
      tell(`${rests.length} of ${histories} histories, ${((Date.now() - begun) / 1000).toFixed(0)} s`);
    }
  };
  try {
    await site.open();
    await Promise.all(Array.from({ length: atOnce }, player));
  } finally {
    await site.close();
  }
  if (values.brief) return void end(brief(failure), failure);
  rests.sort((a, b) => a - b);
  const rest = { median: rests[rests.length >> 1], most: rests.at(-1) };
  const report = { histories: rests.length, seconds: (Date.now() - begun) / 1000, rest, counts };
  if (failure) {
    console.log(`${(failure.trace || []).join('\n')}\n\n${failure.stack}\n\nagain (time is real, so it may pass): ` +
      `node tests/js/storm/run.js --seed ${failure.seed} --histories 1`);
    console.log(site.server.lines.join(''));
    report.failure = { seed: failure.seed, message: failure.message };
  }
  end(report, failure);
}

function brief(failure) {
  const { seed: last, message, isJudged } = failure || { seed: seed + histories - 1 };
  return { histories: last - seed + 1, failure: failure && isJudged ? message : null, crash: failure && !isJudged ? message : null };
}

function end(report, failure) {
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(failure ? 1 : 0));
}

main().catch((error) => {
  process.stdout.write(`${error.stack}\n`, () => process.exit(2));
});
