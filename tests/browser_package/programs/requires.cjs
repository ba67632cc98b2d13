'use strict';

const assert = require('node:assert/strict');
const LiveCollection = require('livecollections');

assert.equal(typeof LiveCollection, 'function');
assert.equal(LiveCollection.LiveCollection, LiveCollection);
assert.equal(LiveCollection.VERSION, require('livecollections/package.json').version);
assert.equal(globalThis.LiveCollection, undefined);
require('./works.cjs')(LiveCollection).then(() => console.log(`${LiveCollection.VERSION} works`));
