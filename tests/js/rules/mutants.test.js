// Each rule of the collection, broken on purpose, is noticed by the generated histories.
//
// `make test` breaks each rule once; LIVE_FULL=1 tries every mutant.
'use strict';

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { MUTANTS, mutate } = require('./mutants');

const LIBRARY = path.join(__dirname, '../../../src/livecollections/browser/livecollections.js');
const FULL = Boolean(process.env.LIVE_FULL);
const HISTORIES = 1500;  // within which each must be noticed

const firstOfRule = MUTANTS.filter((one, i) => MUTANTS.findIndex((two) => two.rule === one.rule) === i);

const environment = (library) => ({
  ...process.env, LIVE_LIBRARY: library, NODE_PATH: path.join(__dirname, '../../../node_modules')
});

// Whether a file of tests fails with this library.
function fails(file, library) {
  const env = environment(library);
  delete env.NODE_TEST_CONTEXT;
  return new Promise((resolve) => {
    execFile(process.execPath, ['--test', path.join(__dirname, file)], { env }, (error) => resolve(Boolean(error)));
  });
}

function storm(library, count = HISTORIES) {
  const script = path.join(__dirname, 'storm.js');
  const args = [script, '--histories', String(count), '--seed', '1', '--shrink', '0'];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { env: environment(library), maxBuffer: 1 << 26 }, (error, stdout) => {
      if (error) reject(error);
      else resolve(JSON.parse(stdout));
    });
  });
}

describe('a broken rule is noticed', { concurrency: os.availableParallelism() }, () => {
  let folder;
  before(() => { folder = fs.mkdtempSync(path.join(os.tmpdir(), 'mutants-')); });
  after(() => fs.rmSync(folder, { recursive: true }));

  (FULL ? MUTANTS : firstOfRule).forEach((mutant, i) => {
    it(`rule ${mutant.rule}: ${mutant.name}`, { timeout: 600e3 }, async (context) => {
      const file = path.join(folder, `mutant${i}.js`);
      fs.writeFileSync(file, mutate(fs.readFileSync(LIBRARY, 'utf8'), mutant));
      if (mutant.by) return void assert.ok(await fails(mutant.by, file), `${mutant.by} passed`);
      const { failure, histories } = await storm(file);
      assert.ok(failure, `${histories} histories passed`);
      context.diagnostic(`after ${histories}: ${failure.message}`);
    });
  });

  it('and the library itself, in the mutants’ place, is no mutant', { timeout: 600e3 }, async () => {
    const file = path.join(folder, 'itself.js');
    fs.writeFileSync(file, fs.readFileSync(LIBRARY, 'utf8'));
    const { failure, histories } = await storm(file, 200);
    assert.ok(!failure && histories === 200, failure && failure.message);
    assert.ok(!await fails('findings.test.js', file));
  });

  it('each of the rules that histories can show is broken at least once', () => {
    const rules = new Set(MUTANTS.map((mutant) => Math.floor(mutant.rule)));
    for (const rule of [1, 2, 3, 4, 6, 7]) assert.ok(rules.has(rule), `rule ${rule}`);
  });
});
