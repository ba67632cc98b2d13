// What must be so when a history is at rest: its collections are what GET says, and the log holds what was acknowledged.
//
// Rule: the log and the table are read past everything of ours, in the sqlite3 shell.
'use strict';

const { same } = require('../rules/log');

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

// The last word: nothing unsaved, nothing twice, nothing acknowledged that is not in the log, and no reset.
async function finish(world) {
  const { oracle, table } = world;
  world.log.rows = await world.truth();
  const query = `SELECT method, key, after, origin FROM live_changes WHERE source = '${table}';`;
  const log = parse(await world.site.sql(`.mode json\n${query}\n.mode list`));
  for (const op of world.ops.filter(({ origin }) => origin)) op.entry = log.find((entry) => entry.origin === op.origin);
  oracle.finish();
  for (const op of world.ops) if (!op.unsent) checkWrite(world, op, log);
  if (world.resets.length) oracle.fail(`nothing here can cause a reset, and yet there was one: ${world.resets[0]}`);
}

function checkWrite({ oracle }, op, log) {
  const { kind, model, sent, origin, acknowledged } = op;
  if (kind === 'create') {
    const made = log.filter((entry) => entry.method === 'POST' && entry.origin === origin);
    if (made.length > 1) oracle.fail(`${model.id || model.cid} was created ${made.length} times`);
    if (acknowledged && !made.length) oracle.fail(`the create of ${model.id} was acknowledged and is not in the log`);
  } else if (acknowledged && kind === 'destroy') {
    const made = log.some(({ method, key }) => method === 'DELETE' && holds(key, op.id));
    if (!made) oracle.fail(`the destroy of ${op.id} was acknowledged and is not in the log`);
  } else if (acknowledged && sent.title && sent.title !== op.frozen.title) {
    const made = log.some(({ method, key, after }) =>
      method === 'PUT' && holds(key, op.id) && after.includes(`;t${sent.title};`));
    if (!made) oracle.fail(`the save of ${op.id} was acknowledged and is not in the log: ${JSON.stringify(sent)}`);
  }
}

// Images keep the type and value of each column, as in `i7;tmilk;`.
const holds = (key, id) => key === `i${id};`;

module.exports = { judge: { differences, finish } };
