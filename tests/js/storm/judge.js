// What must be so when a history is at rest: its collections are what GET says, and the log holds what was acknowledged.
//
// Rule: the log and the table are read past everything of ours, in the sqlite3 shell.
'use strict';

const { same } = require('../rules/log');
const { placeOf } = require('./world');

// In the log images keep the type and value of each column, as in `i7;tmilk;`.
const parse = (lines) => (lines.join('') ? JSON.parse(lines.join('')) : []);

// What of a history's collections is not as GET says, in words; '' if nothing is.
function differences(world, truth) {
  if (!truth) return 'no server is there';
  for (const { name, collection, holds } of world.live) {
    const rows = new Map([...truth].filter(([, row]) => holds(row)));
    for (const model of collection.models) {
      const row = rows.get(model.id);
      if (!model.isNew()) rows.delete(model.id);
      if (model.unsaved || model.isNew()) continue;
      const { ui, ...shown } = model.attributes;
      if (!row) return `${name} holds ${model.id}, which the server has not`;
      if (!same(shown, row)) return `${name}: ${model.id} is ${JSON.stringify(shown)}, the server has ${JSON.stringify(row)}`;
    }
    if (rows.size) return `${name} lacks ${[...rows.keys()]}`;
  }
  return '';
}

// What happened in the table, as the log has it.
async function readLog({ site, table }) {
  const query = `SELECT seq AS place, method, key, after, origin FROM live_changes WHERE source = '${table}' ORDER BY seq;`;
  const log = parse(await site.sql(`.mode json\n${query}\n.mode list`));
  return log.map((entry) => ({ ...entry, id: Number(/^i(\d+);$/.exec(entry.key)[1]) }));
}

// At rest, before anything is repeated: what is unsaved or new has a reason, and no create that was heard is new.
function compare({ oracle, log, live }, entries) {
  log.all = entries;
  for (const watched of live) oracle.compare(watched);
  log.all = [];
}

// The last word: nothing unsaved, nothing twice, nothing acknowledged that is not in the log, and no reset.
function finish(world, log) {
  const { oracle } = world;
  for (const op of world.ops.filter(({ origin }) => origin)) op.entry = log.find((entry) => entry.origin === op.origin);
  oracle.finish();
  for (const op of world.ops) if (!op.unsent) checkWrite(world, op, log);
  if (world.resets.length) oracle.fail(`nothing here can cause a reset, and yet there was one: ${world.resets[0]}`);
}

function checkWrite({ oracle }, op, log) {
  const { kind, model, origin, acknowledged } = op;
  if (kind === 'create') {
    const made = log.filter((entry) => entry.method === 'POST' && entry.origin === origin);
    if (made.length > 1) oracle.fail(`${model.id || model.cid} was created ${made.length} times`);
    if (acknowledged && !made.length) oracle.fail(`the create of ${model.id} was acknowledged and is not in the log`);
  } else if (acknowledged && kind === 'destroy') {
    const made = log.some(({ method, id }) => method === 'DELETE' && id === op.id);
    if (!made) oracle.fail(`the destroy of ${op.id} was acknowledged and is not in the log`);
  } else if (acknowledged && kind === 'save') {
    const { after } = log.findLast(({ id, place }) => id === op.id && place <= placeOf(acknowledged)) || {};
    const told = JSON.parse(op.exchange.data), row = after && rowOf(after);
    const isThere = row && Object.keys(row).every((name) => !(name in told) || told[name] === row[name]);
    if (!isThere) oracle.fail(`the save of ${op.id} was acknowledged and is not in the log: ${op.exchange.data}, but ${after}`);
  }
}

// What the user can write of an image.
function rowOf(image) {
  const [, title, done, note] = image.split(';');
  return { title: title.slice(1), done: done === 'i1', note: note === 'n' ? null : note.slice(1) };
}

module.exports = { judge: { differences, readLog, compare, finish } };
