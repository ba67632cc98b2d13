// What histories share: a database with a table for each, the server on it, fault proxies before that, and a shell.
//
// Rules: each is a process of its own, of the product or of the system; all end with the site.
'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const { pause, until } = require('./waiting');

const ROOT = path.join(__dirname, '../../..');
const BIN = process.env.LIVE_BIN || path.join(ROOT, '.venv/bin');
const START = 30e3;  // milliseconds

// `v` rises by what is written, whoever writes it; ids are never given twice.
const schema = (number) => `
CREATE TABLE todo${number} (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, done BOOLEAN NOT NULL DEFAULT 0,
  note TEXT, v INTEGER NOT NULL DEFAULT 1);
CREATE TRIGGER rises${number} AFTER UPDATE OF title, done, note ON todo${number} BEGIN
  UPDATE todo${number} SET v = v + 1 WHERE id = NEW.id;
END;`;

async function freePort() {
  const probe = net.createServer();
  await new Promise((resolve) => { probe.listen(0, '127.0.0.1', resolve); });
  const { port } = probe.address();
  await new Promise((resolve) => { probe.close(resolve); });
  return port;
}

class Site {
  constructor(tables) {
    Object.assign(this, { tables, processes: new Set(), proxies: new Map(), worlds: new Set() });
    Object.assign(this, { answers: [], faults: [], restarting: null });
  }

  async open() {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'storm-'));
    this.database = path.join(this.folder, 'storm.db');
    this.port = await freePort();
    this.url = `http://127.0.0.1:${this.port}`;
    this.shell = this.run('sqlite3', [this.database], 'pipe');
    readline.createInterface({ input: this.shell.stdout }).on('line', (line) => this.shellSays(line));
    await this.sql(`.timeout 20000\nPRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
      ${Array.from({ length: this.tables }, (_, number) => schema(number)).join('')}`);
    const proxies = this.bench = this.run(path.join(BIN, 'python'), ['-m', 'tests.storm.proxies', this.url], 'pipe');
    readline.createInterface({ input: proxies.stdout }).on('line', (line) => {
      const { name, url } = JSON.parse(line);
      this.proxies.get(name)(url);
    });
    await this.start();
  }

  run(program, args, stdin) {
    const env = { ...process.env, PYTHONUNBUFFERED: '1', NO_COLOR: '1', STORM_TABLES: String(this.tables),
      DATABASE_URL: `sqlite:///${this.database}` };
    const child = spawn(program, args, { cwd: ROOT, env, stdio: [stdin, 'pipe', 'pipe'] });
    child.lines = [];
    child.stderr.on('data', (data) => child.lines.push(String(data)));
    this.processes.add(child);
    child.on('exit', (code, signal) => {
      this.processes.delete(child);
      const why = `${path.basename(program)} ${args[0]} ended (${code || signal}): ${child.lines.join('')}`;
      if (!child.mayEnd) this.faults.push(why);
    });
    return child;
  }

  async start() {
    const args = ['run', 'tests.storm.site:live', '--port', String(this.port)];
    this.server = this.run(path.join(BIN, 'livecollections'), args, 'ignore');
    this.server.stdout.on('data', () => {});
    await until(() => this.healthy(), START, () => `the server did not start: ${this.server.lines.join('')}`);
    this.back = Date.now();
  }

  async healthy() {
    try { return (await fetch(`${this.url}/live/health`)).ok; } catch { return false; }
  }

  // Since when it has been there, as of `Date.now`.
  get since() { return this.restarting ? Date.now() : this.back; }

  // A deploy (SIGTERM) or a crash (SIGKILL); histories that run feel it as weather.
  restart(signal) {
    if (!this.restarting) this.restarting = this.replace(signal).finally(() => { this.restarting = null; });
    return this.restarting;
  }

  async replace(signal) {
    const { server } = this, gone = new Promise((resolve) => { server.on('exit', resolve); });
    const note = (text) => { for (const world of this.worlds) world.note(text); };
    note(`the server gets ${signal}`);
    server.mayEnd = true;
    server.kill(signal);
    await gone;
    await this.start();
    note('the server is back');
  }

  // ---- the shell

  // Run statements in the sqlite3 shell; gives the lines that they print.
  sql(text) {
    const mark = `done ${this.answers.length} ${Math.random()}`;
    const answer = new Promise((resolve, reject) => {
      this.answers.push({ mark, lines: [], errors: this.shell.lines.length, resolve, reject });
    });
    this.shell.stdin.write(`${text}\n.print ${mark}\n`);
    return answer;
  }

  shellSays(line) {
    const [first] = this.answers;
    if (line !== first.mark) return void first.lines.push(line);
    this.answers.shift();
    const errors = this.shell.lines.splice(0).join('');
    if (errors) first.reject(new Error(errors));
    else first.resolve(first.lines);
  }

  // ---- lines

  // A line of its own to the server, with the faults of `FaultProxy`.
  async line(name) {
    const url = await new Promise((resolve) => {
      this.proxies.set(name, resolve);
      this.tell({ do: 'open', name });
    });
    return { url, tell: (fault, args = {}) => this.tell({ do: fault, name, ...args }) };
  }

  tell(command) { this.bench.stdin.write(`${JSON.stringify(command)}\n`); }

  async close() {
    for (const child of this.processes) {
      child.mayEnd = true;
      child.kill('SIGKILL');
    }
    while (this.processes.size) await pause(5);
    fs.rmSync(this.folder, { recursive: true });
  }
}

module.exports = { Site };
