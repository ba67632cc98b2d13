// Types of livecollections.mjs: the same names, by `import`.

export { LiveCollection, VERSION } from './livecollections.js';
