// What histories share: a database with a table for each, the server on it, fault proxies before that, and a shell.
//
// Rules: each is a process of its own, of the product or of the system; all end with the site. What it is told of the
// server's ends and of the log (`ledger`) is of all histories on it.
'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const { Ledger } = require('./ledger');
const { Shell } = require('./shell');
const { pause, until } = require('./waiting');

const ROOT = path.join(__dirname, '../../..');
const BIN = process.env.LIVE_BIN || path.join(ROOT, '.venv/bin');
const START = 30e3;  // milliseconds
const STOP = 8e3;    // the same for a server that is told to stop; it says 2 s, of a machine that has time

// `v` rises by what is written, whoever writes it; ids are never given twice.
const schema = {
  table: (name) => `
CREATE TABLE ${name} (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, done BOOLEAN NOT NULL DEFAULT 0,
  note TEXT, v INTEGER NOT NULL DEFAULT 1);`,
  trigger: (name) => `
CREATE TRIGGER rises_${name} AFTER UPDATE OF title, done, note ON ${name} BEGIN
  UPDATE ${name} SET v = v + 1 WHERE id = NEW.id;
END;`
};

async function freePort() {
  const probe = net.createServer();
  await new Promise((resolve) => { probe.listen(0, '127.0.0.1', resolve); });
  const { port } = probe.address();
  await new Promise((resolve) => { probe.close(resolve); });
  return port;
}

class Site {
  // tables: how many.  pythonPath: where the server finds another copy of the package; undefined: ours.
  constructor(tables, pythonPath) {
    Object.assign(this, { tables, pythonPath, processes: new Set(), proxies: new Map(), worlds: new Set() });
    Object.assign(this, { faults: [], restarting: null, ends: {}, tally: null });
    Object.assign(this, { schema, ledger: new Ledger(this) });
    this.broken = new Promise((_, reject) => { this.breaks = reject; });
    this.broken.catch(() => {});
  }

  async open() {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'storm-'));
    this.database = path.join(this.folder, 'storm.db');
    this.port = await freePort();
    this.url = `http://127.0.0.1:${this.port}`;
    this.shell = new Shell(this.run('sqlite3', [this.database], 'pipe'), this.database);
    const names = Array.from({ length: this.tables }, (_, number) => `todo${number}`);
    await this.shell.make(names.map((name) => schema.table(name) + schema.trigger(name)).join(''));
    const proxies = this.bench = this.run(path.join(BIN, 'python'), ['-m', 'tests.storm.proxies', this.url], 'pipe');
    readline.createInterface({ input: proxies.stdout }).on('line', (line) => {
      const { name, url, met } = JSON.parse(line);
      if (met) this.tally(met);
      else this.proxies.get(name)(url);
    });
    await this.start();
    await this.shell.watch();
    return this;
  }

  run(program, args, stdin, isServer = false) {
    const env = { ...process.env, PYTHONUNBUFFERED: '1', PYTHONFAULTHANDLER: '1', NO_COLOR: '1', STORM_TABLES: String(this.tables),
      DATABASE_URL: `sqlite:///${this.database}`, ...isServer && this.pythonPath && { PYTHONPATH: this.pythonPath } };
    const child = spawn(program, args, { cwd: ROOT, env, stdio: [stdin, 'pipe', 'pipe'] });
    child.lines = [];
    child.stderr.on('data', (data) => child.lines.push(String(data)));
    this.processes.add(child);
    child.on('error', (error) => {
      this.processes.delete(child);
      this.fails(String(error));
    });
    child.on('exit', (code, signal) => {
      this.processes.delete(child);
      const why = `${path.basename(program)} ${args[0]} ended (${code || signal}): ${child.lines.join('')}`;
      if (!child.mayEnd) this.fails(why);
    });
    return child;
  }

  // The site itself is broken: who waits for a line or a count need not wait longer.
  fails(why) {
    this.faults.push(why);
    this.breaks(new Error(why));
  }

  async start() {
    const args = ['run', 'tests.storm.site:live', '--port', String(this.port)];
    this.server = this.run(path.join(BIN, 'livecollections'), args, 'ignore', true);
    this.server.stdout.on('data', () => {});
    await until(() => this.healthy(), START, () => `the server did not start: ${this.server.lines.join('')}`, { kind: Error, step: 100 });
    this.back = Date.now();
  }

  async healthy() {
    try { return (await fetch(`${this.url}/live/health`)).ok; } catch { return false; }
  }

  // Since when it has been there, as of `Date.now`.
  get since() { return this.restarting ? Date.now() : this.back; }

  note(text) { for (const world of this.worlds) world.note(text); }

  // A deploy (SIGTERM) or a crash (SIGKILL); histories that run feel it as weather. Two of one kind at once are one.
  // between: what is done while no server is there.
  async restart(signal, between = () => {}) {
    while (this.restarting) {
      if (this.signal === signal) return this.restarting;
      await this.restarting;
    }
    this.signal = signal;
    this.restarting = this.replace(signal, between).finally(() => { this.restarting = null; });
    return this.restarting;
  }

  async replace(signal, between) {
    const { server } = this, begun = Date.now(), gone = new Promise((resolve) => { server.on('exit', resolve); });
    this.note(`the server gets ${signal}`);
    server.mayEnd = true;
    server.kill(signal);
    // Aborted, it says where it was.
    const late = signal === 'SIGTERM' && setTimeout(() => {
      this.note(`the shell is at something ${this.shell.doing}`);
      server.kill('SIGABRT');
    }, STOP);
    await gone;
    clearTimeout(late);
    if (server.signalCode === 'SIGABRT') this.fails(`no end ${STOP / 1000} s after SIGTERM: ${server.lines.join('')}`);
    this.note(`it has ended after ${Date.now() - begun} ms`);
    this.ends[signal] = (this.ends[signal] || 0) + 1;
    await between();
    await this.start();
    this.note('the server is back');
  }

  // ---- lines

  // A line of its own to the server, with the faults of `FaultProxy`.
  async line(name, kind) {
    const url = await Promise.race([this.broken, new Promise((resolve) => {
      this.proxies.set(name, resolve);
      this.tell({ do: 'open', name, kind });
    })]);
    return { url, tell: (fault, args = {}) => this.tell({ do: fault, name, ...args }) };
  }

  // How often each fault was met, by kind of line.
  met() {
    return Promise.race([this.broken, new Promise((resolve) => {
      this.tally = resolve;
      this.tell({ do: 'count' });
    })]);
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
