// Runs many histories in one process and writes one line of JSON: what occurred, and the first failure,
// shrunk, with its trace.
//
//   node storm.js --histories 750 --seed 1 [--shrink 0] [--path 12:3]
//
// With `--brief` that line says only how many histories were played, and the oracle's words or, if it was no oracle
// that stopped, what crashed.
'use strict';

const { parseArgs } = require('node:util');
const fc = require('fast-check');
const { history, play } = require('./history');
const { Violation } = require('./oracle');

const SHRINKS = 400;  // smaller histories tried after a failure

const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    shrink: { type: 'string', default: '1' },
    path: { type: 'string' },
    brief: { type: 'boolean', default: false }
  }
});

function median(numbers) {
  const sorted = numbers.slice().sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

function brief(passed, error) {
  const isSeen = error instanceof Violation;
  return {
    histories: error ? passed + 1 : passed, failure: isSeen ? error.message : null,
    crash: error && !isSeen ? String(error) : null
  };
}

async function main() {
  const counts = {};
  const steps = [];
  const writers = [];
  const started = process.hrtime.bigint();
  let failed = false;
  let shrinks = 0;
  const property = fc.asyncProperty(history, async (config) => {
    let world;
    if (failed && ++shrinks > SHRINKS) return;
    try {
      world = await play(config);
    } catch (error) {
      failed = true;
      throw error;
    }
    if (failed) return;
    for (const [name, times] of Object.entries(world.counts)) counts[name] = (counts[name] || 0) + times;
    steps.push(config.steps.length);
    writers.push(world.writers.size);
  });
  const result = await fc.check(property, {
    seed: Number(values.seed), numRuns: Number(values.histories), path: values.path,
    endOnFailure: values.shrink === '0'
  });
  const report = {
    histories: steps.length,
    seconds: Number(process.hrtime.bigint() - started) / 1e9,
    counts, steps: median(steps), writers: median(writers)
  };
  if (result.failed) {
    const error = result.errorInstance;
    report.failure = {
      message: error.message, stack: error.stack, trace: error.trace, seed: values.seed,
      path: result.counterexamplePath, config: result.counterexample[0]
    };
  }
  const said = values.brief ? brief(steps.length, result.failed && result.errorInstance) : report;
  process.stdout.write(JSON.stringify(said) + '\n', () => process.exit());
}

main();
