// Thousands of generated histories, in as many processes as there are processors.
//
// LIVE_FULL=1: 10,000 of them, else 1,500; LIVE_HISTORIES and LIVE_SEED say otherwise.
'use strict';

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const os = require('node:os');
const path = require('node:path');
const { it } = require('node:test');
const { play } = require('./history');
const { SITUATIONS, OTHERS } = require('./situations');

const FULL = Boolean(process.env.LIVE_FULL);
const HISTORIES = Number(process.env.LIVE_HISTORIES || (FULL ? 10000 : 1500));
const SEED = Number(process.env.LIVE_SEED || 1);
const LEAST = FULL ? 200 : 30;
const SHARE = 250;  // histories in one process

function storm(histories, seed) {
  const script = path.join(__dirname, 'storm.js');
  const args = [script, '--histories', String(histories), '--seed', String(seed)];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${error.message}\n${stderr}`));
      else resolve(JSON.parse(stdout));
    });
  });
}

async function stormAll() {
  const shares = [];
  for (let left = HISTORIES; left > 0; left -= SHARE) shares.push(Math.min(SHARE, left));
  const reports = [];
  let next = 0;
  let failed = false;
  const worker = async () => {
    while (next < shares.length && !failed) {
      const share = next++;
      const report = await storm(shares[share], SEED + share);
      failed = failed || Boolean(report.failure);
      reports.push(report);
    }
  };
  await Promise.all(Array.from({ length: os.availableParallelism() }, worker));
  return reports;
}

function describeFailure({ message, trace, seed, path: place, config }) {
  return `${message}\n\n${(trace || []).join('\n')}\n\nagain: node tests/js/rules/storm.js ` +
    `--histories ${SHARE} --seed ${seed} --path ${place}\n${JSON.stringify(config)}`;
}

// A gap kept the create's push from being heard, and TRUNCATE let another row have its id.
it('a create whose row went untold stays a draft, though another row has its id', () => play({
  seed: 0, postgres: false, lagging: false, replyFirst: false, single: false, mute: false, nullable: false,
  joined: true, transport: 'websocket', setup: 'twin', rows: 0, ending: 'quiet',
  steps: [
    ['other', 'elsewhere'], ['other', 'trim'], ['wire', 'any'], ['other', 'bulk'], ['other', 'update'],
    ['courses', 'createLost', 9, 2, 4], ['own', 'create'], ['wire', 'push'], ['courses', 'createThenRead'],
    ['wire', 'restore'], ['own', 'create'], ['wire', 'up'], ['own', 'share'], ['courses', 'refused'],
    ['own', 'again', 0, 42, 16], ['other', 'resetEntry', 53, 48, 33], ['courses', 'refused', 42, 54, 42]
  ].map(([kind, op, a = 0, b = 0, c = 0]) => ({ kind, op, a, b, c }))
}));

// Not among the steps that are drawn: each one that is added there makes all histories others.
for (const transport of ['websocket', 'long-polling']) {
  it(`a reset that is heard behind two lists brings back nothing that the second lacked (${transport})`, () => play({
    seed: 1, postgres: false, lagging: true, replyFirst: true, single: false, mute: false, nullable: true,
    joined: true, transport, setup: 'one', rows: 2, ending: 'plain', limit: 0, steps: [{ kind: 'courses', op: 'resetBehind' }]
  }));
}

it(`the collection keeps its rules in ${HISTORIES} histories`, { timeout: 3600e3 }, async () => {
  const reports = await stormAll();
  const failure = reports.map((report) => report.failure).find(Boolean);
  if (failure) assert.fail(describeFailure(failure));

  const counts = {};
  let histories = 0;
  let seconds = 0;
  for (const report of reports) {
    histories += report.histories;
    seconds += report.seconds;
    for (const [name, times] of Object.entries(report.counts)) counts[name] = (counts[name] || 0) + times;
  }
  const lines = [...SITUATIONS, ...OTHERS].map((name) => `${String(counts[name] || 0).padStart(8)}  ${name}`);
  console.log(`${histories} histories, ${(histories / seconds).toFixed(0)} a second and processor\n` +
    lines.join('\n'));
  assert.equal(histories, HISTORIES);
  for (const report of reports) {
    assert.ok(report.steps >= 15, `${report.steps} steps (median)`);
    assert.ok(report.writers >= 2, `${report.writers} writers (median)`);
  }
  if (HISTORIES < 1500) return;
  const rare = SITUATIONS.filter((name) => (counts[name] || 0) < LEAST);
  assert.deepEqual(rare, [], `these occurred less than ${LEAST} times`);
});
