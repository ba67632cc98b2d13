// What happens to lines, to the server and to the table from outside. Each takes the history's world and three small
// numbers that choose where and how much, and gives what the trace says of it.
//
// Rule: a fault of a line ends by itself after a time that is drawn; a line may have several at once, and ends all.
'use strict';

const crypto = require('node:crypto');

const pick = (list, n) => list[n % list.length];
const FAULT = 60;    // milliseconds, times 1 to 15
const AGES = [0.2, 0.4, 0.8, 1.5];  // a proxy that cuts at 30 s, where a connect is held for a twentieth of what we ship
const DELAYS = [0.02, 0.08, 0.2, 0.4];
const RATES = [1000, 3000, 10000];

// A frame from the server is not masked, one from a client is: so each of these breaks its line, at once or later.
const NOISES = [
  (n) => crypto.createHash('sha256').update(`${n}`).digest(),             // anything
  (n) => Buffer.concat([Buffer.from([0x81, 9]), Buffer.from(`garbage ${n % 10}`)]),  // a text that is no JSON
  () => Buffer.from([0x81, 4, 0xff, 0xfe, 0xfd, 0xfc]),                    // a text that is no UTF-8
  () => Buffer.from([0x82, 126, 0x01, 0x00]),                              // the head of a frame that swallows 256 bytes
  () => Buffer.from([0x89, 0]),                                            // a ping
  () => Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
];

// A fault of one client's line, for a while.
const lasting = (fault, args) => (world, numbers) => {
  const line = pick(world.lines, numbers.a), given = args ? args(numbers) : {};
  line.tell(fault, given);
  line.until = Math.max(line.until || 0, Date.now() + FAULT * (1 + numbers.b % 15));
  return `${fault} ${JSON.stringify(given)} on ${line.name}`;
};

const lines = {
  cut: (world, { a, b }) => {
    const line = pick(world.lines, a);
    line.tell('cut', { reset: b % 2 === 0 });
    return `cut ${line.name}`;
  },
  cutAll: (world) => {
    for (const line of world.lines) line.tell('cut');
    return 'cut every line';
  },
  refuse: (world, numbers) => {
    pick(world.lines, numbers.a).tell('cut');
    return lasting('refuse')(world, numbers);
  },
  halfOpen: lasting('half_open'),
  delay: lasting('delay', ({ c }) => ({ seconds: pick(DELAYS, c) })),
  throttle: lasting('throttle', ({ c }) => ({ rate: pick(RATES, c) })),
  age: lasting('age', ({ c }) => ({ seconds: pick(AGES, c) })),
  away: lasting('answer', () => ({ status: 502 })),
  garble: (world, { a, b, c }) => {
    const line = pick(world.lines, a), noise = pick(NOISES, b)(c).toString('hex');
    line.tell('inject', { noise, up: c % 4 === 0 });
    return `${c % 4 ? 'noise' : 'noise upward'} ${noise} on ${line.name}`;
  }
};

// The names that a proxy has for these.
const FAULTS = {
  cut: 'cut', cutAll: 'cut', refuse: 'refuse', halfOpen: 'half_open', delay: 'delay', throttle: 'throttle', age: 'age',
  away: 'answer', garble: 'inject'
};

// The server's process ends and another comes.
const server = {
  stop: (world) => {
    world.wait(world.site.restart('SIGTERM'));
    return 'the server is stopped and started';
  },
  kill: (world) => {
    world.wait(world.site.restart('SIGKILL'));
    return 'the server is killed and started';
  }
};

// Somebody at the database's shell.
const written = (world, text) => {
  world.wait(world.site.shell.sql(text));
  return `shell: ${text}`;
};
const which = (world, b) => `id = (SELECT id FROM ${world.table} ORDER BY id LIMIT 1 OFFSET ${b % 7})`;
const shell = {
  insert: (world, { b }) => {
    const values = Array.from({ length: 1 + b % 3 }, () => `('s${++world.values}', ${b % 2}, 'n${++world.values}')`);
    return written(world, `INSERT INTO ${world.table} (title, done, note) VALUES ${values};`);
  },
  update: (world, { b }) => written(world, `UPDATE ${world.table} SET title = 's${++world.values}' WHERE ${which(world, b)};`),
  unset: (world, { b }) => written(world, `UPDATE ${world.table} SET note = NULL WHERE ${which(world, b)};`),
  toggle: (world, { b }) => written(world, `UPDATE ${world.table} SET done = NOT done WHERE id % 3 = ${b % 3};`),
  remove: (world, { b }) => written(world, `DELETE FROM ${world.table} WHERE ${which(world, b)};`),
  transaction: (world, { b }) => written(world, `BEGIN IMMEDIATE; INSERT INTO ${world.table} (title) ` +
    `VALUES ('s${++world.values}'); UPDATE ${world.table} SET title = 's${++world.values}' WHERE ${which(world, b)}; COMMIT;`),
  rolledBack: (world, { b }) => written(world, `BEGIN IMMEDIATE; UPDATE ${world.table} SET title = 'never', done = 1; ` +
    `DELETE FROM ${world.table} WHERE ${which(world, b)}; ROLLBACK;`)
};

module.exports = { lines, server, shell, FAULTS };
