// The rows of a stub server and the log of their changes, by the design's text alone.
//
// Rules: a change and its entry happen together; a place is drawn once and, in the way of PostgreSQL, may
// be seen later than a higher one; what is published is a prefix of the log without holes. It knows no HTTP.
'use strict';

const CHANNEL = '/api/todos';
const OTHER = '/api/users';

class Log {
  constructor(random) {
    this.random = random;
    this.epoch = this.hex(8);
    this.entries = [];        // {place, check, channel, method, id, body, origin, committed, isUndone}
    this.all = [];            // those that were trimmed or undone since as well
    this.place = 0;           // the last that was drawn
    this.trimmed = { place: 0, check: '0000' };
    this.published = 0;
    this.rows = new Map();
    this.locked = new Map();  // id → the open transaction that holds it
    this.version = 0;         // in each body as `v`: of two states of one row the later has the higher
    this.era = 1;             // in each body as `era`: how often the server went back in time
    this.repeats = new Map(); // Idempotency-Key → answer
  }

  hex(width) {
    let text = '';
    while (text.length < width) text += Math.floor(this.random() * 16).toString(16);
    return text;
  }

  seqOf(entry) {
    return this.epoch + entry.place.toString(16).padStart(16, '0') + entry.check;
  }

  // Whether a seq names what an older copy of the database has lost: nothing that it draws is before or after that.
  isLost(seq) { return this.all.some((entry) => entry.isUndone && this.seqOf(entry) === seq); }

  // The seq that says: everything up to this place.
  seqAt(place) {
    for (let i = this.entries.length - 1; i >= 0; i--) {
      const entry = this.entries[i];
      if (entry.place <= place) return this.seqOf(entry);
    }
    return this.seqOf(this.trimmed);
  }

  // The highest place at and below which nothing can still appear.
  get watermark() {
    const open = this.entries.find((entry) => !entry.committed);
    return open ? open.place - 1 : this.place;
  }

  position() { return this.seqAt(this.published); }

  publish() { this.published = this.watermark; }

  draw(channel, method, id, body, origin) {
    const entry = {
      place: ++this.place, check: this.hex(4), channel, method, id, body, origin, committed: true
    };
    this.entries.push(entry);
    this.all.push(entry);
    this.onDraw(entry);
    return entry;
  }

  shown(row) { return { ...row, era: this.era }; }

  nextId() {
    let highest = 0;
    for (const id of this.rows.keys()) highest = Math.max(highest, id);
    return highest + 1;
  }

  insert(values, origin) {
    const id = this.nextId();
    const row = { id, ...values, v: ++this.version };
    this.rows.set(id, row);
    return this.draw(CHANNEL, 'POST', id, row, origin);
  }

  // The row as `values`, whole. Returns nothing where that changed nothing.
  replace(id, values, origin) {
    const before = this.rows.get(id);
    const { v, ...old } = before;
    const after = { id, ...values };
    if (same(old, after)) return undefined;
    const row = { ...after, v: ++this.version };
    this.rows.set(id, row);
    return this.draw(CHANNEL, 'PUT', id, row, origin);
  }

  remove(id, origin) {
    const row = this.rows.get(id);
    this.rows.delete(id);
    return this.draw(CHANNEL, 'DELETE', id, row, origin);
  }

  onDraw() {}

  // A change of another resource: it moves the log and nothing on this channel.
  elsewhere() { this.draw(OTHER, 'PUT', 1, { id: 1 }); }

  // An open transaction: its place is drawn, its row is locked, nobody sees either yet.
  begin(id, values) {
    const entry = this.draw(CHANNEL, 'PUT', id, undefined);
    entry.committed = false;
    entry.values = values;
    this.locked.set(id, entry);
    return entry;
  }

  commit(entry) {
    const { v, ...old } = this.rows.get(entry.id);
    entry.body = { ...old, ...entry.values, v: ++this.version };
    entry.committed = true;
    this.rows.set(entry.id, entry.body);
    this.locked.delete(entry.id);
  }

  commitAll() {
    for (const entry of [...this.locked.values()]) this.commit(entry);
  }

  // TRUNCATE, a rebuilt table, …: something happened that is not told change by change.
  resetEntry(rows) {
    if (rows) this.rows = rows;
    this.draw(CHANNEL, 'RESET');
  }

  trim(keep) {
    const cut = Math.min(this.published, this.watermark) - keep;
    const gone = this.entries.filter((entry) => entry.place <= cut);
    if (!gone.length) return;
    this.trimmed = gone[gone.length - 1];
    this.entries = this.entries.filter((entry) => entry.place > cut);
  }

  backup() {
    return {
      entries: this.entries.slice(), place: this.place, trimmed: this.trimmed, rows: new Map(this.rows),
      repeats: new Map(this.repeats), epoch: this.epoch, drawn: this.all.length
    };
  }

  // The database as it was. With `fresh`, its keeper then drew another epoch.
  restore(backup, fresh) {
    Object.assign(this, {
      entries: backup.entries.slice(), place: backup.place, trimmed: backup.trimmed,
      rows: new Map(backup.rows), repeats: new Map(backup.repeats), published: backup.place
    });
    for (const entry of this.all.slice(backup.drawn)) entry.isUndone = true;
    this.locked.clear();
    this.era += 1;
    if (fresh) this.epoch = this.hex(8);
  }

  // The place of a seq that names an entry of this log and may be read on from, else undefined.
  locate(channel, since) {
    if (typeof since !== 'string' || since.slice(0, 8) !== this.epoch) return undefined;
    const place = parseInt(since.slice(8, 24), 16);
    const check = since.slice(24);
    if (place > this.place || place < this.trimmed.place) return undefined;
    const entry = place === this.trimmed.place
      ? this.trimmed
      : this.entries.find((one) => one.place === place && one.committed);
    if (!entry || entry.check !== check) return undefined;
    const told = this.entries.every((one) =>
      one.channel !== channel || one.method !== 'RESET' || one.place <= place);
    return told ? place : undefined;
  }

  // The published messages of a channel after a place, each with what came before it for this receiver.
  messages(channel, after, squash) {
    const last = this.entries.filter((entry) => entry.channel === channel && entry.place <= after).pop();
    // What came before may have been trimmed away: then it is told by where the receiver is.
    let before = last ? this.seqOf(last) : this.trimmed.place ? this.seqAt(after) : undefined;
    let waiting = this.entries.filter((entry) =>
      entry.channel === channel && entry.place > after && entry.place <= this.published);
    if (squash) {
      waiting = squashed(waiting);
      before = this.seqAt(after);
    }
    return waiting.map((entry) => {
      const data = { method: entry.method, seq: this.seqOf(entry) };
      if (entry.body) data.body = this.shown(entry.body);
      if (before) data.prev = before;
      if (entry.origin) data.origin = entry.origin;
      before = data.seq;
      return { channel, data };
    });
  }
}

// Of several waiting changes of one document the last, in order; RESET ends everything before it.
function squashed(entries) {
  let first = new Map();
  let last = new Map();
  let reset = [];
  for (const entry of entries) {
    if (entry.method === 'RESET') {
      first = new Map();
      last = new Map();
      reset = [entry];
      continue;
    }
    if (!first.has(entry.id)) first.set(entry.id, entry);
    last.set(entry.id, entry);
  }
  const kept = [...last.values()].map((entry) => {
    if (entry.method === 'DELETE') return entry;
    const { method, origin } = first.get(entry.id);
    return { ...entry, method: method === 'POST' ? 'POST' : 'PUT', origin: entry.origin || origin };
  });
  return reset.concat(kept.sort((a, b) => a.place - b.place));
}

function same(one, two) {
  const keys = new Set([...Object.keys(one), ...Object.keys(two)]);
  for (const key of keys) if (one[key] !== two[key]) return false;
  return true;
}

module.exports = { Log, CHANNEL, OTHER, same };
