// What a run of the storm met, as a person reads it.
'use strict';

const { CAUSES } = require('./ledger');

const FAULTS = {
  cut: 'connections cut', refuse: 'connections refused', half_open: 'half-open: bytes lost', delay: 'bytes delayed',
  throttle: 'bytes throttled', age: 'connections ended for their age', answer: 'requests answered 502', poll: 'polls answered 502',
  inject: 'garbage on the WebSocket'
};
const ENDS = { SIGTERM: 'server stopped', SIGKILL: 'server killed' };
const KINDS = ['websocket', 'long-polling'];

const cell = (value) => String(value || 0).padStart(14);
const rows = (counts) => Object.entries(counts).map(([name, times]) => `${name.padEnd(34)}${cell(times)}`);

// report: the last line of run.js.
function table({ histories, seconds, rest, counts, met, ends }) {
  const others = Object.entries(counts).filter(([name]) => !/^(lines|told) /.test(name)).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    `${histories} histories in ${seconds.toFixed(0)} s; at rest ${rest.median} ms after the lines had healed (median), ${rest.most} ms at most`,
    `\n${'fault that was met'.padEnd(34)}${KINDS.map(cell).join('')}`,
    ...Object.entries(FAULTS).map(([name, told]) => told.padEnd(34) + KINDS.map((kind) => cell((met[name] || {})[kind])).join('')),
    ...Object.entries(ENDS).map(([signal, told]) => `${told.padEnd(34)}${cell(ends[signal])}`),
    `\n${'cause of a reset'.padEnd(34)}${cell('resets told')}`,
    ...rows(Object.fromEntries(CAUSES.map((cause) => [cause, counts[`told ${cause}`]]))),
    `\n${'what else occurred'.padEnd(34)}${cell('times')}`,
    ...rows(Object.fromEntries(others))
  ].join('\n');
}

module.exports = { table };
