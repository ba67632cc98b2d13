// The stub server's REST: statuses, bodies and headers as design section 5 gives them.
//
// Rules: `Live-Seq` never says more than the body holds; a write is labelled with its own entry, and a write
// that changed nothing with the last place that was drawn. It knows no network and no client.
'use strict';

const { CHANNEL, same } = require('./log');

const WRITABLE = ['title', 'done', 'note'];

function problem(status) {
  return { status, headers: {}, body: { type: 'about:blank', status, title: 'Refused' } };
}

class Rest {
  // postgres: lists are labelled with the watermark and may hold more (`Live-Until`).
  // limit: rows of a page, if a list is cut; onNext is told whether something has changed since the page before.
  constructor(log, { postgres = false, lag = () => 0, limit = 0, onNext = () => {} } = {}) {
    this.log = log;
    this.postgres = postgres;
    this.lag = lag;
    this.limit = limit;
    this.onNext = onNext;
  }

  // request: {method, url, headers, body}; fate: 'ok', or the status with which it is refused before anything.
  handle(request, fate = 'ok') {
    const { pathname, searchParams } = new URL(request.url, 'http://server');
    const id = pathname === CHANNEL ? undefined : Number(pathname.slice(CHANNEL.length + 1));
    if (typeof fate === 'number') return problem(fate);
    if (id === undefined) {
      return request.method === 'POST' ? this.create(request) : this.told(request, this.list(searchParams));
    }
    const verb = { GET: 'read', PUT: 'put', PATCH: 'patch', DELETE: 'destroy' }[request.method];
    return this[verb](id, request);
  }

  // Whether a transaction that is still open holds the row.
  isBlocked(request) {
    const id = Number(new URL(request.url, 'http://server').pathname.slice(CHANNEL.length + 1));
    return request.method !== 'GET' && this.log.locked.has(id);
  }

  label() {
    const { log } = this;
    if (!this.postgres) return { 'Live-Seq': log.seqAt(log.place) };
    const place = Math.max(log.trimmed.place, log.watermark - this.lag());
    const headers = { 'Live-Seq': log.seqAt(place) };
    const newer = log.entries.filter((entry) =>
      entry.channel === CHANNEL && entry.committed && entry.place > place);
    if (newer.length) headers['Live-Until'] = log.seqOf(newer[newer.length - 1]);
    return headers;
  }

  // Sorted by what may change: a row may move from one page to another. A page begins after a place in that order.
  list(query) {
    const { after, place, ...asked } = Object.fromEntries([...query].map(([name, value]) => [name, JSON.parse(value)]));
    const filters = Object.entries(asked);
    const headers = this.label();
    headers[filters.length || after ? 'Live-Signal' : 'Live-Channel'] = CHANNEL;
    if (after) this.onNext(this.log.entries.some((entry) => entry.channel === CHANNEL && entry.place > place));
    const rows = [...this.log.rows.values()]
      .filter((row) => filters.every(([name, value]) => row[name] === value))
      .filter((row) => !after || comesAfter(row, after))
      .sort((a, b) => (comesAfter(a, sorting(b)) ? 1 : -1));
    const page = this.limit ? rows.slice(0, this.limit) : rows;
    if (page.length < rows.length) {
      const next = { ...asked, after: sorting(page[page.length - 1]), place: this.log.place };
      const parameters = Object.entries(next).map(([name, value]) => [name, JSON.stringify(value)]);
      headers.Link = `<?${new URLSearchParams(parameters)}>; rel="next"`;
    }
    return { status: 200, headers, body: page.map((row) => this.log.shown(row)) };
  }

  // Which of the creates that a list asks about were done.
  told(request, answer) {
    const asked = request.headers['Live-Origin'];
    if (asked === undefined) return answer;
    const done = asked.split(', ').filter((key) => this.log.repeats.has(key))
      .map((key) => [key, { id: this.log.repeats.get(key).entry.id }]);
    return { ...answer, headers: { ...answer.headers, 'Live-Created': JSON.stringify(Object.fromEntries(done)) } };
  }

  read(id) {
    const row = this.log.rows.get(id);
    const headers = this.label();
    return row ? { status: 200, headers, body: this.log.shown(row) } : { ...problem(404), headers };
  }

  // The answer to a write: the row as it is now, and the place of the write.
  written(status, entry, row) {
    const place = entry ? entry.place : this.log.place;
    const seq = entry ? this.log.seqOf(entry) : this.log.seqAt(place);
    return { status, headers: { 'Live-Seq': seq }, body: row && this.log.shown(row), entry };
  }

  create(request) {
    const { log } = this;
    const key = request.headers['Idempotency-Key'];
    if (key && log.repeats.has(key)) return { ...log.repeats.get(key), repeated: true };
    const entry = log.insert(writable(request.body), request.headers['Live-Origin']);
    const answer = this.written(201, entry, entry.body);
    answer.headers.Location = `${CHANNEL}/${entry.id}`;
    if (key) log.repeats.set(key, answer);
    return answer;
  }

  put(id, request) {
    if (!this.log.rows.has(id)) return problem(404);
    return this.change(id, writable(request.body), request);
  }

  patch(id, request) {
    if (!this.log.rows.has(id)) return problem(404);
    const { id: key, v, ...old } = this.log.rows.get(id);
    return this.change(id, { ...old, ...writable(request.body) }, request);
  }

  change(id, values, request) {
    const entry = this.log.replace(id, values, request.headers['Live-Origin']);
    return this.written(200, entry, this.log.rows.get(id));
  }

  destroy(id, request) {
    if (!this.log.rows.has(id)) return problem(404);
    return this.written(204, this.log.remove(id, request.headers['Live-Origin']));
  }
}

const sorting = ({ done, id }) => [Number(Boolean(done)), id];

function comesAfter(row, [done, id]) {
  const [rowDone, rowId] = sorting(row);
  return rowDone > done || (rowDone === done && rowId > id);
}

function writable(body) {
  return Object.fromEntries(WRITABLE.filter((name) => body[name] !== undefined)
    .map((name) => [name, body[name]]));
}

module.exports = { Rest, same };
