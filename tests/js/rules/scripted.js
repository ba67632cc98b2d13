// A Bayeux client and an HTTP whose every answer is written in a script: for the vectors, and for tests of
// one finding.
//
// Rule: it has the face of Faye's client (`subscribe`, `addExtension`, `bind`) and none of its mind: nothing
// is sent again and nothing arrives unless the script says so.
'use strict';

const path = require('node:path');
const Backbone = require('backbone');
const { settled } = require('./clock');

const LIBRARY = process.env.LIVE_LIBRARY ||
  path.join(__dirname, '../../../src/livecollections/browser/livecollections.js');
const LiveCollection = require(LIBRARY);
const CHANNEL = '/api/todos';

// 'a5' as it stands on the wire; "a5'" is of the same place, drawn twice.
function spell(short) {
  const place = parseInt(short.slice(1), 10);
  const check = ((place * 40503 + short.split("'").length - 1) & 0xffff).toString(16).padStart(4, '0');
  return short[0].repeat(8) + place.toString(16).padStart(16, '0') + check;
}

function shorten(seq) {
  return seq === undefined || seq === null ? seq : seq[0] + parseInt(seq.slice(8, 24), 16);
}

class Client {
  constructor() {
    this.extensions = [];
    this.listeners = [];     // {channel, listener}
    this.sessions = 1;
    this.unanswered = [];    // subscriptions: {channel, id, clientId, settle}
    this.log = [];           // what was sent
    this.handlers = [];
    this.ids = 0;
  }

  addExtension(extension) { this.extensions.push(extension); }
  removeExtension(extension) { this.extensions = this.extensions.filter((one) => one !== extension); }
  bind(name, handler, context) { this.handlers.push([name, handler, context]); }
  unbind(name, handler) { this.handlers = this.handlers.filter((one) => one[1] !== handler); }

  trigger(name) {
    for (const [event, handler, context] of this.handlers.slice()) if (event === name) handler.call(context);
  }

  pipe(stage, message) {
    let current = message;
    for (const extension of this.extensions.slice()) {
      if (current && extension[stage]) extension[stage](current, (next) => { current = next; });
    }
    return current;
  }

  subscribe(channel, callback, context) {
    const entry = { channel, listener: (data) => callback && callback.call(context, data) };
    this.listeners.push(entry);
    const promise = new Promise((resolve, reject) => {
      this.request(channel, (reply) => (reply.successful ? resolve() : reject(reply.error)));
    });
    promise.catch(() => {});
    return {
      then: (done, failed) => promise.then(done || (() => {}), failed || (() => {})),
      callback: (done, self) => { promise.then(() => done.call(self), () => {}); },
      errback: (failed, self) => { promise.then(null, (error) => failed.call(self, error)); },
      cancel: () => {
        this.listeners = this.listeners.filter((one) => one !== entry);
        if (!this.listeners.some((one) => one.channel === channel)) this.unsubscribed = channel;
      }
    };
  }

  request(channel, settle = () => {}) {
    const id = String(++this.ids);
    const message = this.pipe('outgoing', { channel: '/meta/subscribe', subscription: channel, id });
    const since = message.ext && message.ext.live && message.ext.live.since;
    this.log.push(since === undefined ? 'subscribe' : `subscribe since ${shorten(since)}`);
    this.unanswered.push({ channel, id, clientId: `c${this.sessions}`, settle });
  }

  // The oldest unanswered subscription is confirmed (or refused).
  confirm(live, error) {
    const { channel, id, clientId, settle } = this.unanswered.shift();
    const reply = this.pipe('incoming', {
      channel: '/meta/subscribe', subscription: channel, id, clientId, successful: !error, error,
      ...(live && { ext: { live } })
    });
    if (reply) settle(reply);
  }

  push(batch, on = CHANNEL) {
    for (const data of batch) {
      const message = this.pipe('incoming', { channel: on, data });
      if (!message) continue;
      for (const { channel, listener } of this.listeners.slice()) {
        if (channel === on) listener(message.data);
      }
    }
  }

  // What the next connect says of our channel.
  connect() {
    const message = this.pipe('outgoing', { channel: '/meta/connect', clientId: 'c', id: String(++this.ids) });
    return ((message.ext && message.ext.live && message.ext.live.at) || {})[CHANNEL];
  }

  connected(live) {
    this.connect();
    this.pipe('incoming', {
      channel: '/meta/connect', id: String(this.ids), clientId: 'c', successful: true, ...(live && { ext: { live } })
    });
  }

  // The session is lost; the client subscribes again to what it holds, as Faye does.
  rehandshake() {
    const clientId = `c${++this.sessions}`;
    this.pipe('incoming', { channel: '/meta/handshake', clientId, successful: true, ext: { live: { version: 1 } } });
    for (const channel of new Set(this.listeners.map((one) => one.channel))) this.request(channel);
  }
}

// HTTP: requests stay in `waiting` until they are answered.
class Wire {
  constructor() {
    this.client = new Client();
    this.waiting = [];
    this.names = new Map();     // a write's name → its request
    this.ajax = Backbone.ajax;
    Backbone.ajax = (params) => this.send(params);
  }

  close() { Backbone.ajax = this.ajax; }

  send(params) {
    const headers = { ...params.headers };
    const xhr = {
      status: 0, answered: {}, setRequestHeader: (name, value) => { headers[name] = value; },
      getResponseHeader: (name) => xhr.answered[name] || null, abort() {}
    };
    if (params.beforeSend) params.beforeSend(xhr, params);
    const { pathname, search } = new URL(params.url, 'http://server');
    const data = params.type === 'GET' && params.data ? new URLSearchParams(params.data).toString() : '';
    const query = [search.slice(1), data].filter(Boolean).join('&');
    const id = pathname.slice(CHANNEL.length + 1);
    const request = { params, xhr, headers, isList: params.type === 'GET' && !id };
    this.client.log.push(request.isList ? ['list', query].filter(Boolean).join(' ')
      : [params.type, id].filter(Boolean).join(' '));
    this.waiting.push(request);
    this.last = request;
    return xhr;
  }

  // Make a write and remember its request by a name.
  write(name, make) {
    this.last = undefined;
    make();
    if (this.last) this.names.set(name, this.last);
  }

  reply(request, status, headers, body) {
    this.waiting.splice(this.waiting.indexOf(request), 1);
    Object.assign(request.xhr, { status, answered: headers, responseJSON: body });
    if (status >= 200 && status < 300) request.params.success(body, 'success', request.xhr);
    else request.params.error(request.xhr, 'error', String(status));
  }

  list(rows, headers) { this.reply(this.waiting.find((request) => request.isList), 200, headers, rows); }

  origin(name) { return this.names.get(name).headers['Live-Origin']; }
}

async function rest() {
  for (let i = 0; i < 4; i++) await settled();
}

module.exports = { LiveCollection, Backbone, Wire, CHANNEL, spell, shorten, rest };
