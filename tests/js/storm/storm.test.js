// Generated histories over real lines that fail, against a real server: 20, or 200 where LIVE_FULL is set.
//
// LIVE_HISTORIES and LIVE_SEED say otherwise. Rule: 20 seeds in a row bring about each fault and most causes of a reset, 40 all
// of them; that one is never met fails the run.
'use strict';

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { it } = require('node:test');
const { WEIGHTS, ROTA } = require('./history');
const { CAUSES, OFTEN: USUAL } = require('./ledger');
const { table } = require('./table');
const { FAULTS } = require('./weather');

const FULL = Boolean(process.env.LIVE_FULL);
const HISTORIES = Number(process.env.LIVE_HISTORIES || (FULL ? 200 : 20));
const SEED = process.env.LIVE_SEED || '1';
const AT_ONCE = FULL ? '12' : '20';
const MOST = 20;     // histories in which faults and usual causes must be met
const ALL = 40;      // and all causes
const OFTEN = 200;   // and in which all that is drawn must be so often, and what comes in turn half as often:
const TIMES = 10;

it(`collections come to the truth in ${HISTORIES} histories`, { timeout: 1000e3 }, () => {
  const args = [path.join(__dirname, 'run.js'), '--histories', String(HISTORIES), '--seed', SEED, '--at-once', AT_ONCE];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  const report = JSON.parse(stdout.trimEnd().split('\n').at(-1)), { counts, met, ends } = report;
  console.log(table(report));
  assert.equal(report.histories, HISTORIES);
  if (HISTORIES < MOST) return;
  assert.deepEqual([...new Set(Object.values(FAULTS))].filter((name) => !met[name]), [], 'these faults were never met');
  assert.ok(met.poll && met.poll['long-polling'], 'no poll was answered 502');
  assert.ok(met.inject.websocket, 'no WebSocket met garbage');
  assert.deepEqual(['SIGTERM', 'SIGKILL'].filter((signal) => !ends[signal]), [], 'no server ended so');
  assert.deepEqual((HISTORIES < ALL ? USUAL : CAUSES).filter((cause) => !counts[`told ${cause}`]), [], 'nobody was reset for these');
  if (HISTORIES < OFTEN) return;
  const drawn = Object.entries(WEIGHTS).flatMap(([kind, ops]) => Object.keys(ops).map((op) => `${kind} ${op}`));
  const rare = (names, times) => names.filter((name) => (counts[name] || 0) < times);
  assert.deepEqual([...rare(drawn, TIMES), ...rare(ROTA.flat(), TIMES / 2)], [], 'these occurred too seldom');
});
