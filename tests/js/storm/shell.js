// A person at the database: the sqlite3 shell, one for a site, with statements in the order in which they are given.
//
// Rule: it knows of the log what its tables show to anybody. What is about to be trimmed is kept in a table of its own,
// so that `whole` is all that this log ever held.
'use strict';

const readline = require('node:readline');

const COLUMNS = 'seq, check_digits, source, method, key, after, origin';
const PATIENT = '.timeout 20000\nPRAGMA synchronous = NORMAL;';

class Shell {
  // child: the process.  file: the database.
  constructor(child, file) {
    Object.assign(this, { child, file, answers: [] });
    readline.createInterface({ input: child.stdout }).on('line', (line) => this.says(line));
  }

  // Run statements; gives the lines that they print.
  sql(text) {
    const mark = `done ${this.answers.length} ${Math.random()}`;
    const answer = new Promise((resolve, reject) => { this.answers.push({ mark, text, since: Date.now(), lines: [], resolve, reject }); });
    this.child.stdin.write(`${text}\n.print ${mark}\n`);
    return answer;
  }

  // The same for a query, as objects.
  async rows(query) {
    const lines = (await this.sql(`.mode json\n${query}\n.mode list`)).join('');
    return lines ? JSON.parse(lines) : [];
  }

  // What it is at, in words.
  get doing() { return this.answers.slice(0, 1).map(({ text, since }) => `for ${Date.now() - since} ms: ${text}`).join() || 'nothing'; }

  says(line) {
    const [first] = this.answers;
    if (line !== first.mark) return void first.lines.push(line);
    this.answers.shift();
    const errors = this.child.lines.splice(0).join('');
    if (errors) first.reject(new Error(errors));
    else first.resolve(first.lines);
  }

  // A database that others have open too, with these tables.
  make(schema) { return this.sql(`${PATIENT} PRAGMA journal_mode = WAL; ${schema}`); }

  // From now on there is a log.
  watch() {
    return this.sql(`CREATE TEMP TABLE kept (${COLUMNS}, UNIQUE (seq, check_digits));
      CREATE TEMP VIEW whole AS SELECT ${COLUMNS} FROM kept UNION SELECT ${COLUMNS} FROM live_changes;`);
  }

  // Statements that keep what the log holds now, and let all of it be so old that it will be trimmed.
  static get AGES() {
    return `INSERT OR IGNORE INTO kept SELECT ${COLUMNS} FROM live_changes; UPDATE live_changes SET at = 0;`;
  }

  // A query for the last place of the log.
  static get PLACE() { return 'SELECT coalesce(max(seq), 0) FROM live_changes;'; }

  backup(file) { return this.sql(`.backup ${file}`); }

  // Put a backup in the place of the database, while nobody else has it open; gives the place up to which it goes, before
  // a statement that waits can follow.
  async restore(file) {
    const lines = await this.sql(`.open :memory:\n.system rm -f ${this.file} ${this.file}-wal ${this.file}-shm\n` +
      `.system cp ${file} ${this.file}\n.open ${this.file}\n${PATIENT} ${Shell.PLACE}`);
    await this.watch();
    return Number(lines[0]);
  }
}

module.exports = { Shell };
