// One history's world: a stub server, a network, Faye clients and live collections.
'use strict';

const path = require('node:path');
const Backbone = require('backbone');
const { Clock, generator, settled } = require('./clock');
const { Log, CHANNEL } = require('./log');
const { Rest } = require('./rest');
const { Bayeux } = require('./bayeux');
const { Network, Parcel } = require('./network');
const { createClient } = require('./client');
const { Oracle } = require('./oracle');
const { Resets } = require('./resets');
const { Writes } = require('./writes');

const LIBRARY = process.env.LIVE_LIBRARY ||
  path.join(__dirname, '../../../src/livecollections/browser/livecollections.js');
const LiveCollection = require(LIBRARY);

const Todo = Backbone.Model.extend({
  urlRoot: CHANNEL,

  // `ui` is this page's own.
  toJSON() {
    const { ui, ...sent } = this.attributes;
    return sent;
  }
});

class World extends Writes {
  // config: {seed, limit, postgres, lagging, replyFirst, transport, single, mute, setup, rows, nullable}
  constructor(config) {
    super(config, generator(config.seed));
    this.heard = new Set();
    this.heardBy = new Map();   // client → seqs since it was last reset
    this.lost = new Set();
    this.clock = new Clock();
    this.log = new Log(this.random);
    this.rest = new Rest(this.log, {
      postgres: config.postgres, lag: () => Math.floor(this.random() * 4), limit: config.limit,
      onNext: (isChanged) => this.count(isChanged ? 'change between two pages' : 'next page')
    });
    this.bayeux = new Bayeux(this.log, this.clock, { replyFirst: config.replyFirst });
    this.network = new Network();
    this.oracle = new Oracle(this);
    this.resets = new Resets(this.oracle, this.log);
    this.bayeux.onMissing = (since) => this.resets.missing(since);
  }

  async start() {
    this.ajax = Backbone.ajax;
    Backbone.ajax = (params) => this.send(params);
    this.warn = console.warn;
    console.warn = (...args) => this.note(`warning: ${args.join(' ')}`);
    this.onRejection = (error) => this.errors.push(error);
    process.on('unhandledRejection', this.onRejection);
    this.clock.install(generator(this.config.seed + 1));
    for (let i = 0; i < this.config.rows; i++) this.log.insert(this.freshValues());
    this.publish(true);
    this.open();
    await this.drain();
  }

  async stop() {
    for (const { collection } of this.live) collection.unlisten();
    await settled();
    this.clock.uninstall();
    Backbone.ajax = this.ajax;
    console.warn = this.warn;
    process.removeListener('unhandledRejection', this.onRejection);
  }

  open() {
    const { setup } = this.config;
    const client = this.client();
    this.watch('main', client, CHANNEL);
    if (setup === 'twin') this.watch('twin', client, CHANNEL);
    if (setup === 'second') this.watch('second', this.client(), CHANNEL);
    if (setup === 'signal') {
      this.watch('signal', client, `${CHANNEL}?done=true`, (row) => row.done === true);
    }
  }

  client() {
    const { transport, single, mute } = this.config;
    return createClient({ network: this.network, server: this.bayeux }, { transport, single, mute });
  }

  watch(name, client, url, holds = () => true) {
    const Todos = LiveCollection.extend({ model: Todo, url });
    const collection = new Todos([], { client });
    const watched = { name, collection, holds, client };
    this.live.push(watched);
    this.oracle.watch(watched);
    this.resets.watch(watched);
  }

  // Everything that can happen without a parcel's arrival has happened.
  async drain() {
    for (let i = 0; i < 200; i++) {
      await settled();
      const timer = this.clock.next(this.clock.now + 10);
      if (!timer) return;
      this.clock.run(timer);
    }
    this.oracle.fail('it spins');
  }

  // Run the timer that is due next.
  async tick(until) {
    const timer = this.clock.next(until);
    if (!timer) return false;
    this.clock.run(timer);
    await this.drain();
    return true;
  }

  publish(force) {
    if (!force && this.config.lagging) return;
    this.bayeux.publish();
  }

  // ---- HTTP

  // The request that somebody makes now.
  async asked(act) {
    const before = this.network.parcels.length;
    act();
    await this.drain();
    return this.network.parcels.slice(before).find((parcel) => parcel.kind === 'request');
  }

  // The same, answered at once.
  async reads(act) {
    const request = await this.asked(act);
    if (!request) return;
    await this.deliver(request);
    const answer = request.about.exchange.parcel;
    if (answer.kind === 'answer') await this.deliver(answer);
  }

  // In place of Backbone.ajax.
  send(params) {
    const headers = { ...params.headers };
    const xhr = {
      status: 0, readyState: 1, headers: {},
      setRequestHeader: (name, value) => { headers[name] = value; },
      getResponseHeader: (name) => (xhr.headers[name] === undefined ? null : xhr.headers[name]),
      abort: () => { if (this.network.drop(exchange.parcel)) this.fail(exchange, 0); }
    };
    if (params.beforeSend) params.beforeSend(xhr, params);
    let { url } = params;
    if (params.type === 'GET' && params.data) {
      url += (url.includes('?') ? '&' : '?') + new URLSearchParams(
        Object.entries(params.data).map(([name, value]) => [name, JSON.stringify(value)]));
    }
    const body = params.type === 'GET' || params.data === undefined ? undefined : JSON.parse(params.data);
    const request = { method: params.type, url, headers, body };
    const exchange = { params, xhr, request, op: params.op, pushes: [], tag: ++this.values };
    if (exchange.op) exchange.op.exchange = exchange;
    const text = `${request.method} ${url} ${body ? JSON.stringify(body) : ''}`;
    exchange.text = text;
    exchange.parcel = this.network.add(new Parcel('request', text,
      (fate) => this.serve(exchange, fate), () => this.fail(exchange, 0), { exchange }));
    return xhr;
  }

  // The server takes a request.
  serve(exchange, fate = 'ok') {
    const { op, request } = exchange;
    this.serving = true;
    const answer = this.rest.handle(request, fate);
    this.serving = false;
    exchange.answer = JSON.parse(JSON.stringify({ ...answer, entry: undefined }));
    if (fate === 'ok') this.record({ step: 'request', request, answer: exchange.answer });
    if (op && answer.entry && !answer.repeated) {
      op.entry = answer.entry;
      op.seq = this.log.seqOf(answer.entry);
    }
    if (op) op.served = answer.status;
    if (op && op.kind === 'save' && answer.status === 200 && !answer.entry) this.count('no-op PUT');
    exchange.parcel = this.network.add(new Parcel('answer', `${answer.status} to ${exchange.text} ` +
      `${JSON.stringify(exchange.answer.headers)} ${JSON.stringify(exchange.answer.body)}`,
    () => this.answer(exchange), () => this.fail(exchange, 0), { exchange }));
    this.publish();
  }

  answer(exchange) {
    const { status, headers, body } = exchange.answer;
    if (status >= 400) return this.fail(exchange, status, headers, body);
    this.resets.ended(exchange.tag);
    this.countAnswer(exchange);
    this.settle(exchange.op, status);
    Object.assign(exchange.xhr, { status, headers, readyState: 4, responseJSON: body });
    exchange.params.success(body, 'success', exchange.xhr);
    if (exchange.op && exchange.op.era !== this.log.era) this.oracle.forget(exchange.op.model);
  }

  fail(exchange, status, headers = {}, body = undefined) {
    const { op } = exchange;
    this.resets.ended(exchange.tag);
    const shown = op && op.kind === 'save' && !op.wait && { ...op.model.attributes };
    this.settle(op, status);
    Object.assign(exchange.xhr, { status, headers, readyState: 4, responseJSON: body });
    exchange.params.error(exchange.xhr, 'error', String(status));
    if (shown) this.oracle.checkKept(op, shown);
  }

  countAnswer({ request, answer, params, pushes }) {
    if (!Array.isArray(answer.body)) return;
    const label = answer.headers['Live-Seq'];
    if (answer.headers['Live-Until']) this.count('list with Live-Until');
    if (pushes.some((seq) => seq > label)) {
      this.count('GET begun before and answered after a push');
      if (this.pending().some((op) => op.wait)) {
        this.count('GET begun before and answered after a push, wait: true');
      }
    }
    for (const op of this.pending()) {
      if (op.kind === 'create' && op.entry && answer.body.some((row) => row.id === op.entry.id)) {
        this.countWrite('GET between commit and answer of a POST', op);
      }
    }
    if (params.data) this.count('fetch({data})');
    else if (request.url.includes('?')) this.count('Live-Signal list');
  }

  // ---- what arrives

  async deliver(parcel, fate) {
    this.note(`${parcel.kind} ${parcel.label}${fate && fate !== 'ok' ? ` (${fate})` : ''}`);
    this.arrive(parcel);
    this.network.deliver(parcel, fate);
    await this.drain();
    this.resets.taken();
  }

  async lose(parcel) {
    this.note(`LOST ${parcel.kind} ${parcel.label}`);
    this.forget([parcel]);
    this.network.lose(parcel);
    await this.drain();
  }

  // Messages get lost on a line that stays up. Returns whether there were any.
  thin(parcel) {
    const pushes = this.messagesOf(parcel).filter(({ data }) => data);
    if (!pushes.length) return false;
    this.note(`LOST ON THE WAY ${parcel.label}`);
    this.forget([parcel]);
    this.network.thin(parcel);
    this.thinned = true;
    this.count('messages lost on a line that stays up');
    return true;
  }

  async cut() {
    this.note('CUT');
    this.forget(this.network.parcels);
    this.network.cut();
    await this.drain();
  }

  messagesOf(parcel) {
    return parcel.kind === 'down' || parcel.kind === 'reply' ? parcel.about.messages : [];
  }

  forget(parcels) {
    for (const parcel of parcels) {
      for (const { data } of this.messagesOf(parcel)) if (data) this.lost.add(data.seq);
    }
  }

  arrive(parcel) {
    const { owner, exchange } = parcel.about;
    this.resets.hear(this.messagesOf(parcel), owner, this.values);
    if (parcel.kind === 'answer' && Array.isArray(exchange.answer.body)) this.resets.list(exchange.answer.headers);
    for (const message of this.messagesOf(parcel)) {
      const live = message.ext && message.ext.live;
      if (live && live.reset) this.countReset(owner);
      if (message.data) this.countPush(message.data, owner);
    }
  }

  // What a client has heard before, it need not have taken.
  countReset(owner) {
    this.count('reset');
    this.heardBy.delete(owner);
  }

  countPush(data, owner) {
    this.heard.add(data.seq);
    if (!this.heardBy.has(owner)) this.heardBy.set(owner, new Set());
    this.heardBy.get(owner).add(data.seq);
    if (data.method === 'RESET') this.countReset(owner);
    for (const parcel of this.network.parcels) {
      if (parcel.about.exchange) parcel.about.exchange.pushes.push(data.seq);
    }
    for (const op of this.pending()) {
      if (op.seq === data.seq) this.countWrite('push before answer', op);
      if (op.kind === 'create' && op.entry && data.method === 'DELETE' && data.body.id === op.entry.id) {
        this.countWrite("DELETE before the POST's answer", op);
      }
    }
    if (this.live.length > 1 && this.config.setup === 'twin') {
      this.twinHeard = true;
      const [main, twin] = this.live;
      const model = data.body && main.collection.get(data.body.id);
      if (model && twin.collection.get(model.cid) === model) this.count('one model in two collections');
    }
  }

  // ---- what happened at the server, in its order, to be replayed on another one

  record(step) { if (this.transcript) this.transcript.push(JSON.parse(JSON.stringify(step))); }

  transcribe() {
    this.transcript = [];
    this.receivers = [];
    this.log.onDraw = ({ method, channel, id, body }) => {
      if (!this.serving) this.record({ step: 'write', method, channel, id, body });
    };
    this.bayeux.onSubscribe = (channel, since, live, place, held) => {
      // What a session goes on with depends on what it was sent before: a replay has sessions of its own.
      if (held !== undefined && live.seq !== since) return;
      this.receivers.push({ channel, place });
      this.record({ step: 'subscribe', receiver: this.receivers.length - 1, channel, since, live });
    };
  }

  // What each subscription of the transcript hears if it is never interrupted.
  heardByReceivers() {
    return this.receivers.map(({ channel, place }) =>
      this.log.messages(channel, place, false).map(({ data }) => data));
  }
}

module.exports = { World, LiveCollection, CHANNEL };
