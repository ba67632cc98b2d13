// The same names for those who import: in Node, through a bundler, or in a
// browser with an import map. The library is the one in livecollections.js.
import Backbone from 'backbone';
import _ from 'underscore';
import * as umd from './livecollections.js';

// In Node and bundlers the import above has given the library; a browser runs
// the file as a script, which leaves its factory to be called with what was
// imported here.
const built = umd.default ||
  globalThis[Symbol.for('livecollections')](globalThis, Backbone, _, () => globalThis.Faye);

export const LiveCollection = built.LiveCollection;
export const VERSION = built.VERSION;
