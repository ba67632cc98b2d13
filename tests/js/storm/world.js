// One history's world: its table on a site, its clients with a line each, their collections, what they write and see.
//
// Rules: each client is Faye's own, made by `LiveCollection.connect`; every request and every push goes over its line.
// A read that the library asks for is given no time limit by its user: that is the library's matter.
'use strict';

const Backbone = require('backbone');
const makeAjax = require('../ajax');
const { generator } = require('../rules/clock');
const { Oracle } = require('../rules/oracle');
const { Writes } = require('../rules/writes');
const { placeOf } = require('./ledger');
const { pause } = require('./waiting');

const WRITES = 2500;  // milliseconds that a user's own request may take
const PATIENT = 10e3; // the same, once all lines have healed
const OURS = 1.5;     // seconds that the library's may take
const LEAVING = 1000; // milliseconds for a client to say that it goes

const worlds = new Map();  // a line's host → {world, client}
const unlimited = makeAjax(''), limited = makeAjax('', WRITES), patient = makeAjax('', PATIENT);
Backbone.ajax = (params) => {
  const { world } = worlds.get(new URL(params.url).host);
  return world.send(params);
};

const Todo = Backbone.Model.extend({
  // `ui` is this page's own.
  toJSON() {
    const { ui, ...sent } = this.attributes;
    return sent;
  }
});

// After the database was put back, what is shown orders nothing until all is at rest.
class StormOracle extends Oracle {
  checkOrder(watched, model) { if (!watched.isBlurred) super.checkOrder(watched, model); }
}

class World extends Writes {
  // config: {seed, table, clients: [{transport, setup}], nullable}
  constructor(config, site, LiveCollection) {
    super(config, generator(config.seed + 1));
    const table = `todo${config.table}`;
    Object.assign(this, { site, LiveCollection, table, path: `/api/${table}`, begun: Date.now() });
    // restores: the era that each began, and when what it brought back was saved.
    Object.assign(this, { restores: [], saved: -Infinity });
    // told: what the server says of positions, and who said what he has.  began: the collections that began anew.
    Object.assign(this, { lines: [], awaited: new Set(), told: [], began: [], floods: 0, heardBy: new Map() });
    // What the rules' oracle asks of a log: ids are given once here, until the database is put back.
    this.log = { era: 1, version: 0, place: 0, rows: new Map(), all: [], locked: new Map() };
    this.oracle = new StormOracle(this);
  }

  note(text) { this.trace.push(`${String(Date.now() - this.begun).padStart(6)} ${text}`); }

  // Something goes on beside the steps; that it fails, fails the history.
  wait(promise) {
    const one = promise.catch((error) => { this.errors.push(error); }).finally(() => { this.awaited.delete(one); });
    this.awaited.add(one);
  }

  async waited() {
    await Promise.all(this.awaited);
    this.check();
  }

  check() {
    if (this.site.faults.length) throw new Error(this.site.faults[0]);
    this.oracle.check();
  }

  // The database is what it was at an earlier time (milliseconds); ids are given again.
  goesBack(saved) {
    this.log.era++;
    this.restores.push({ era: this.log.era, saved });
    this.remade = true;
    for (const watched of this.live) watched.isBlurred = true;
  }

  async start() {
    this.site.worlds.add(this);
    for (const [number, client] of this.config.clients.entries()) await this.join(number, client);
  }

  async join(number, { transport, setup }) {
    const line = await this.site.line(`${this.config.seed}.${number}`, transport), host = new URL(line.url).host;
    worlds.set(host, { world: this });
    this.lines.push(Object.assign(line, { name: `line ${number}`, host }));
    const Connected = this.LiveCollection.extend({ model: Todo });
    const client = Connected.connect(`${line.url}/faye`, { timeout: OURS });
    if (transport === 'long-polling') client.disable('websocket');
    const asked = new Map();
    client.addExtension({
      incoming: (message, next) => {
        this.hear(number, message, asked.get(message.id));
        next(message);
      },
      outgoing: (message, next) => {
        // What it says is added after this, to this very object.
        if (message.channel === '/meta/subscribe') asked.set(message.id, { message, asked: Date.now() });
        next(message);
      }
    });
    const watch = (name, url, holds) => this.watch(name, `${number}`, client, new (Connected.extend({ url }))(), holds);
    watch(`${number}`, line.url + this.path);
    if (setup === 'twin') watch(`${number} twin`, line.url + this.path);
    const done = `${line.url}${this.path}?done=true`;
    if (setup === 'signal') watch('signal', done, (row) => row.done === true);
  }

  watch(name, number, client, collection, holds = () => true) {
    const watched = { name, collection, holds, client };
    this.live.push(watched);
    this.oracle.watch(watched);
    const listener = collection._listener, reset = listener.reset.bind(listener);
    listener.reset = (start, isTold) => {
      this.note(`  ${name} begins anew at ${start}, from ${listener.position}`);
      this.began.push({ name, number, position: listener.position, at: Date.now() });
      reset(start, isTold);
    };
    collection.on('live', (one, state) => {
      this.note(`${name} is ${state}`);
      if (state === 'refused' || state === 'stale') this.oracle.fail(`${name} is ${state}`);
    });
  }

  // All is at rest.
  sees() {
    for (const watched of this.live.filter((one) => one.isBlurred)) {
      watched.isBlurred = false;
      watched.shown.clear();
    }
  }

  hear(number, { channel, successful, error, data, ext }, request) {
    const live = ext && ext.live || {}, told = { name: `${number}`, channel, at: Date.now() };
    if (successful === false) this.note(`  ${number} ${channel} failed: ${error}`);
    if (data) this.heard(number, data);
    else if (successful) this.note(`  ${number} ${channel} ${JSON.stringify(live)}`);
    if (live.reset || data && data.method === 'RESET') {
      this.count('reset');
      this.heardBy.delete(this.clientOf(number));
    }
    if (data && data.seq) this.told.push({ ...told, method: data.method, seq: data.seq, prev: data.prev });
    else if (channel === '/meta/subscribe' && successful) {
      const { message, asked } = request, { since } = message.ext && message.ext.live || {};
      this.told.push({ ...told, isReply: true, asked, since, reset: live.reset, seq: live.seq });
    }
  }

  clientOf(number) { return this.live.find(({ name }) => name === `${number}`).client; }

  heard(number, data) {
    this.note(`  ${number} hears ${JSON.stringify(data)}`);
    const client = this.clientOf(number);
    const op = data.origin && data.body && this.ops.find(({ origin }) => origin === data.origin);
    if (!this.heardBy.has(client)) this.heardBy.set(client, new Set());
    this.heardBy.get(client).add(data.seq);
    if (op) Object.assign(op, { entry: { id: data.body.id, body: data.body, place: placeOf(data.seq) }, seq: data.seq });
  }

  // ---- HTTP

  // In place of Backbone.ajax.
  send(params) {
    const { op, headers = {} } = params, ajax = !op ? unlimited : this.healed ? patient : limited;
    const told = `${params.type} ${params.url} ${params.data && params.type !== 'GET' ? params.data : ''}`;
    if (op) Object.assign(op, { exchange: params, origin: headers['Live-Origin'], sentAt: Date.now() });
    const { success, error } = params;
    this.note(`  ${told}`);
    return ajax({
      ...params,
      success: (body, text, xhr) => {
        const seq = xhr.getResponseHeader('Live-Seq');
        this.note(`  ${xhr.status} to ${told} ${seq} ${JSON.stringify(body)}`);
        if (op) Object.assign(op, { acknowledged: seq, answer: body, answeredAt: Date.now() });
        this.settle(op, xhr.status);
        success(body, text, xhr);
      },
      error: (xhr, text, why) => {
        const shown = op && op.kind === 'save' && !op.wait && { ...op.model.attributes };
        this.note(`  ${xhr.status || why} to ${told}`);
        this.settle(op, xhr.status);
        error(xhr, text, why);
        if (shown) this.oracle.checkKept(op, shown);
      }
    });
  }

  // What GET says, all at once and past the proxies; null while no server is there.
  async truth() {
    if (this.site.restarting) return null;
    const answer = await fetch(`${this.site.url}${this.path}?limit=1000`).catch(() => null);
    return answer && answer.ok ? new Map((await answer.json()).map((row) => [row.id, row])) : null;
  }

  async stop() {
    this.site.worlds.delete(this);
    for (const { collection } of this.live) collection.unlisten();
    const clients = [...new Set(this.live.map((watched) => watched.client))];
    const left = clients.map((client) => new Promise((resolve) => {
      const leaving = client.disconnect();
      if (leaving) leaving.then(resolve, resolve);
      else resolve();
    }));
    await Promise.race([Promise.all(left), pause(LEAVING)]);
    for (const { tell, host } of this.lines) {
      tell('refuse');
      tell('cut');
      worlds.delete(host);
    }
  }
}

module.exports = { World };
