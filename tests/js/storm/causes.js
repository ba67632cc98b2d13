// What is done to the database that nobody can be told change by change: each is a cause of resets. Like weather, each
// takes the history's world and three small numbers.
//
// Rule: each is noted in the site's ledger before it is done. It goes on beside the history, which waits for it at its end.
'use strict';

const { Shell } = require('./shell');

const KINDS = ['before_insert', 'before_update', 'insert', 'update', 'delete'];
const BULK = 400;      // rows that come and go in one transaction
const FLOODS = 3;      // times that it is tried
const NOTICED = 5e3;   // milliseconds in which a server notices

const begin = (world, kind, table, act) => {
  const deed = world.site.ledger.begin(kind, table);
  world.wait(act(deed).finally(() => world.note(`the ${kind} is over`)));
  return `${kind}${table ? '' : ' of the whole log'}`;
};

const which = (world, b) => `id = (SELECT id FROM ${world.table} ORDER BY id LIMIT 1 OFFSET ${b % 5})`;

// What no trigger tells.
const untold = (world, b) => `UPDATE ${world.table} SET title = 's${++world.values}' WHERE ${which(world, b)};
  DELETE FROM ${world.table} WHERE ${which(world, b + 1)}; INSERT INTO ${world.table} (title) VALUES ('s${++world.values}');`;

const resetAfter = ({ table }, { place }) => `SELECT seq FROM whole WHERE source = '${table}' AND method = 'RESET' AND seq > ${place};`;

// Nobody hears of it before the triggers are there again.
async function blindly(world, deed, statements) {
  const { shell, ledger } = world.site;
  const lines = await shell.sql(`BEGIN IMMEDIATE; ${statements} ${Shell.PLACE} COMMIT;`);
  deed.place = Number(lines.at(-1));
  await ledger.seen(deed, resetAfter(world, deed));
}

async function floods(world, deed, { b }) {
  const { table, site: { shell, ledger } } = world;
  const lines = await shell.sql(`BEGIN IMMEDIATE; INSERT INTO ${table} (title) WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL
    SELECT n + 1 FROM count WHERE n < ${BULK}) SELECT 'bulk' FROM count; DELETE FROM ${table} WHERE title = 'bulk';
    UPDATE ${table} SET title = 's${++world.values}' WHERE ${which(world, b)}; ${Shell.PLACE} COMMIT;`);
  deed.place = Number(lines.at(-1));
  return ledger.seen(deed, resetAfter(world, deed), NOTICED).then(() => true, () => false);
}

const log = {
  // Somebody drops our triggers, and writes.
  blind: (world, { b }) => begin(world, 'blind', world.table, (deed) => blindly(world, deed,
    KINDS.map((kind) => `DROP TRIGGER live_${world.table}_${kind};`).join(' ') + untold(world, b))),

  // A migration as SQLite does it: another table in the old one's place.
  rebuild: (world, { b }) => {
    const { table } = world, fresh = `fresh_${table}`, { site } = world;
    return begin(world, 'rebuild', table, (deed) => blindly(world, deed, `${site.schema.table(fresh)}
      INSERT INTO ${fresh} SELECT * FROM ${table}; DELETE FROM sqlite_sequence WHERE name = '${fresh}';
      INSERT INTO sqlite_sequence SELECT '${fresh}', seq FROM sqlite_sequence WHERE name = '${table}';
      DROP TABLE ${table}; ALTER TABLE ${fresh} RENAME TO ${table};${site.schema.trigger(table)}${untold(world, b)}`));
  },

  // More at once than is told change by change; a server that just starts has told all, and does not notice.
  bulk: (world, numbers) => begin(world, 'bulk', world.table, async (deed) => {
    await world.site.restarting;
    const isSeen = await floods(world, deed, numbers);
    if (!isSeen && world.floods++ < FLOODS) world.note(log.bulk(world, numbers));
  }),

  // One client is away while the log is trimmed past it.
  trim: (world, { a }) => begin(world, 'trim', null, async (deed) => {
    const { shell, ledger } = world.site, line = world.lines[a % world.lines.length];
    for (const fault of ['refuse', 'cut']) line.tell(fault);
    line.until = Infinity;
    world.note(`${line.name} is away`);
    const insert = `INSERT INTO ${world.table} (title) VALUES ('s${++world.values}'), ('s${++world.values}');`;
    const lines = await shell.sql(`BEGIN IMMEDIATE; ${insert} ${Shell.AGES} ${Shell.PLACE} COMMIT;`);
    deed.place = Number(lines.at(-1));
    await ledger.seen(deed, `SELECT 1 FROM live_meta WHERE name = 'trimmed_to' AND value >= printf('%016x', ${deed.place});`);
    line.until = Date.now();
  }),

  // The log begins anew.
  epoch: (world) => begin(world, 'epoch', null, async (deed) => {
    const { shell, ledger, tables } = world.site, [old] = await shell.sql("SELECT value FROM live_meta WHERE name = 'epoch';");
    deed.old = old;
    const text = `BEGIN IMMEDIATE; UPDATE live_meta SET value = lower(hex(randomblob(4))) WHERE name = 'epoch'; ${Shell.PLACE} COMMIT;`;
    const place = Number((await shell.sql(text)).at(-1));
    // The feed says so of each table; a server that starts just now need not.
    await ledger.seen(deed, `SELECT count(*) AS told FROM whole WHERE method = 'RESET' AND key = 'other-epoch' AND seq > ${place}
      HAVING told >= ${tables};`, NOTICED).catch(() => {});
  })
};

// The database is put back as it was, between two servers. For a history that has its site for itself.
const back = {
  backup: (world) => {
    const { site } = world;
    world.wait((async () => {
      const begun = Date.now();
      await site.shell.backup(`${site.database}.backup`);
      world.saved = begun;
    })());
    return 'a backup is made';
  },
  restore: (world, { b }) => begin(world, 'restore', null, async (deed) => {
    const { site } = world;
    await site.restart(b % 2 ? 'SIGKILL' : 'SIGTERM', async () => {
      const { saved } = world;
      deed.place = await site.shell.restore(`${site.database}.backup`);
      world.goesBack(saved);
    });
    deed.done = Date.now();
  })
};

module.exports = { log, back };
