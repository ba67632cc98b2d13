// Writes what the stub server did in generated histories, one JSON object a line, to be replayed against the
// real server: requests with their answers, others' writes, subscriptions with their replies and messages, and how many
// documents a page holds (0: all).
//
//   node transcripts.js --histories 200 --seed 1
//
// Only what SQLite shows: no gaps in the log, no field that vanishes, nothing restored or trimmed.
'use strict';

const { parseArgs } = require('node:util');
const fc = require('fast-check');
const { history, play } = require('./history');
const { CHANNEL } = require('./log');

const { values } = parseArgs({
  options: { histories: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } }
});

const ELSEWHERE = ['restore', 'backup', 'wentBack', 'trim', 'resetEntry', 'unset', 'begin', 'commit'];

async function main() {
  const configs = fc.sample(history, { seed: Number(values.seed), numRuns: Number(values.histories) });
  const lines = [];
  for (const config of configs) {
    const world = await play({
      ...config, postgres: false, lagging: false, nullable: true,
      steps: config.steps.filter((step) => !ELSEWHERE.includes(step.op))
    }, { transcript: true });
    if (world.log.era > 1) throw new Error('a step went back in time: name it in ELSEWHERE');
    const all = world.log.messages(CHANNEL, 0, false).map(({ data }) => data);
    lines.push(JSON.stringify({ limit: config.limit, steps: world.transcript, heard: world.heardByReceivers(), all }) + '\n');
  }
  process.stdout.write(lines.join(''), () => process.exit());
}

main();
