import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import * as names from 'livecollections';
import works from './works.cjs';

const { LiveCollection, VERSION } = names;
const require = createRequire(import.meta.url);

assert.deepEqual(Object.keys(names).sort(), ['LiveCollection', 'VERSION']);
assert.equal(LiveCollection, require('livecollections'));
assert.equal(VERSION, LiveCollection.VERSION);
await works(LiveCollection);
console.log(`${VERSION} works`);
