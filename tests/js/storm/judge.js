// What must be so when a history is at rest: its collections are what GET says, and the log holds what was acknowledged.
//
// Rule: the log and the table are read past everything of ours, in the sqlite3 shell. In the log images keep the type and
// value of each column, as in `i7;tmilk;`.
'use strict';

const { same } = require('../rules/log');
const { placeOf } = require('./ledger');

const NEAR = 200;  // milliseconds in which a collection begins anew after its client was told

// What of a history's collections is not as GET says, in words; '' if nothing is.
function differences(world, truth) {
  if (!truth) return 'no server is there';
  for (const { name, collection, holds } of world.live) {
    if (collection.live !== 'live') return `${name} is ${collection.live}`;
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
  const log = await site.shell.rows('SELECT seq AS place, method, key, after, origin FROM whole ' +
    `WHERE source = '${table}' AND method <> 'RESET' ORDER BY seq;`);
  return log.map((entry) => ({ ...entry, id: Number(/^i(\d+);$/.exec(entry.key)[1]) }));
}

// At rest, before anything is repeated: what is unsaved or new has a reason, and no create that was heard is new.
function compare({ oracle, log, live }, entries) {
  log.all = entries;
  for (const watched of live) oracle.compare(watched);
  log.all = [];
}

// The last word: nothing unsaved, nothing twice, nothing acknowledged that is not in the log.
function finish(world, log) {
  const { oracle } = world;
  for (const op of world.ops.filter(({ origin }) => origin)) op.entry = log.find((entry) => entry.origin === op.origin);
  oracle.finish();
  for (const op of world.ops) if (!op.unsent) checkWrite(world, op, log);
}

// Whether the database was put back to where this was perhaps not acknowledged yet.
const isUndone = ({ restores }, op) => restores.some(({ era, saved }) => op.era < era && !(op.answeredAt < saved));

function checkWrite(world, op, log) {
  const { oracle, site, table, ops } = world;
  const { kind, model, origin, acknowledged } = op;
  const made = log.filter((entry) => entry.method === 'POST' && entry.origin === origin);
  if (kind === 'create' && made.length > 1) oracle.fail(`${model.id || model.cid} was created ${made.length} times`);
  // What was acknowledged after the backup that came back is gone, and what was written past the triggers is nowhere.
  const tries = ops.filter((one) => one === op || one.origin && one.origin === origin);
  if (!acknowledged || isUndone(world, op) || site.ledger.isBlind(table, tries)) return;
  if (kind === 'create') {
    if (!made.length) oracle.fail(`the create of ${model.id} was acknowledged and is not in the log`);
  } else if (kind === 'destroy') {
    const isThere = log.some(({ method, id }) => method === 'DELETE' && id === op.id);
    if (!isThere) oracle.fail(`the destroy of ${op.id} was acknowledged and is not in the log`);
  } else if (kind === 'save') {
    const { after, place: last = 0 } = log.findLast(({ id, place }) => id === op.id && place <= placeOf(acknowledged)) || {};
    // A save of what was written past the triggers changes nothing.
    if (site.ledger.isUntold(table, last)) return;
    const told = JSON.parse(op.exchange.data), row = after && rowOf(after);
    const isThere = row && Object.keys(row).every((name) => !(name in told) || told[name] === row[name]);
    if (!isThere) oracle.fail(`the save of ${op.id} was acknowledged and is not in the log: ${op.exchange.data}, but ${after}`);
  }
}

// Each reset that a client was told has its cause, and who was told none had none.
async function resets(world) {
  const { oracle, site: { ledger }, table, told } = world;
  await ledger.read();
  const wrong = ledger.explain(table);
  if (wrong) oracle.fail(wrong);
  for (const one of told) {
    const found = (one.isReply ? judgeReply : judgePush)(ledger, table, one);
    if (found.wrong) oracle.fail(`${one.name} ${found.wrong}: ${JSON.stringify(one)}`);
    one.cause = found.cause;
    if (found.cause) world.count(`told ${found.cause}`);
  }
  for (const { name, number, position, at } of world.began) {
    const isTold = told.some((one) => one.cause && one.name === number && at >= one.at && at - one.at <= NEAR);
    if (position && !isTold && !ledger.why(position, table, at)) {
      oracle.fail(`${name} began anew at ${position}, and nothing was missing there`);
    }
  }
}

// The answer to who asked for all since a seq.
function judgeReply(ledger, table, { since, reset, seq, asked, at }) {
  if (reset) {
    const cause = since && ledger.why(since, table, at);
    return cause ? { cause } : { wrong: 'was reset, and nothing was missing there' };
  }
  const missed = since && (ledger.why(since, table, asked, true) || (ledger.between(table, since, seq) || {}).cause);
  return missed ? { wrong: `was told no reset (${missed})` } : {};
}

// What was pushed to who had all up to `prev`.
function judgePush(ledger, table, { method, seq, prev, at }) {
  const entry = ledger.at(table, seq);
  if (method === 'RESET') {
    const cause = entry ? entry.cause : prev && ledger.why(prev, table, at);
    return cause ? { cause } : { wrong: 'was reset, and nothing was missing' };
  }
  const missed = prev && ledger.between(table, prev, seq);
  return missed ? { wrong: `was told what is after a reset (${missed.cause}), and not the reset` } : {};
}

// What the user can write of an image.
function rowOf(image) {
  const [, title, done, note] = image.split(';');
  return { title: title.slice(1), done: done === 'i1', note: note === 'n' ? null : note.slice(1) };
}

module.exports = { judge: { differences, readLog, compare, finish, resets } };
