// The golden transcripts (tests/vectors/bayeux/wire) of Faye's client, played against Faye's own server: they are
// true to it. Where ours differs on purpose, the step says so (`ours`), or it is one of these: Faye's server holds
// the first connect of a session too, names six connection types, and leaves the sender's id on what is delivered.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { setImmediate: turn } = require('node:timers/promises');
const { describe, it } = require('node:test');
const faye = require('faye');
const { WebSocket } = require('ws');

const FOLDER = path.join(__dirname, '../../vectors/bayeux/wire');
const FIRST_CONNECT = '2';
const TYPES = ['long-polling', 'cross-origin-long-polling', 'callback-polling', 'websocket', 'eventsource', 'in-process'];

// A queue of what comes, and the promise of its next.
class Inbox {
  constructor() { this.kept = []; this.waiting = []; }

  put(one) {
    const take = this.waiting.shift();
    if (take) take(one); else this.kept.push(one);
  }

  next() { return this.kept.length ? this.kept.shift() : new Promise((take) => this.waiting.push(take)); }
}

class Run {
  async begin() {
    this.adapter = new faye.NodeAdapter({ mount: '/faye', timeout: 5 });
    this.server = http.createServer();
    this.adapter.attach(this.server);
    await new Promise((done) => this.server.listen(0, '127.0.0.1', done));
    this.names = {};
  }

  async end() {
    // Else it would connect for ever.
    if (this.publisher) await this.publisher.disconnect();
    if (this.socket) this.socket.close();
    if (this.stream) this.stream.destroy();
    this.adapter.close();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  fill(value) {
    return JSON.parse(JSON.stringify(value).replace(/\{(\w+)\}/g, (whole, name) => this.names[name] || whole));
  }

  async play(step) {
    if (step.frame) return this.frame(step);
    if (step.stream) return this.open(step);
    if (step.event) {
      await this.publish(step.publish);
      return this.compare(step.event, await this.events.next());
    }
    const asking = step.post ? this.post(this.fill(step.post)) : this.get(this.fill(step.get));
    await this.whileHeld(step);
    return this.check(step.answer, await asking);
  }

  async publish(messages = []) {
    this.publisher = this.adapter.getClient();
    for (const { channel, data } of messages) await this.publisher.publish(channel, data);
  }

  // Nothing outside tells that Faye's server holds a connect: its engine is asked.
  async whileHeld(step) {
    if (!step.publish) return;
    const engine = this.adapter._server._engine;
    while (!engine.hasConnection(this.names.clientId)) await turn();
    await this.publish(step.publish);
  }

  patient(messages) {
    return messages.map((one) => (one.channel === '/meta/connect' && one.id === FIRST_CONNECT && !one.advice
      ? { ...one, advice: { timeout: 0 } } : one));
  }

  post({ path: where, headers, json, form, text }) {
    let body = text;
    if (json) body = JSON.stringify(this.patient(json));
    if (form) body = 'message=' + encodeURIComponent(JSON.stringify(this.patient(form)));
    return this.ask({ method: 'POST', path: where, headers }, body);
  }

  get({ path: where, message, jsonp }) {
    const query = new URLSearchParams();
    if (message) query.set('message', JSON.stringify(this.patient(message)));
    if (jsonp) query.set('jsonp', jsonp);
    return this.ask({ method: 'GET', path: `${where}?${query}` });
  }

  ask(options, body) {
    return new Promise((resolve, reject) => {
      const request = http.request({ port: this.server.address().port, ...options }, (answer) => {
        const { statusCode: status, headers } = answer;
        let text = '';
        answer.setEncoding('utf8').on('data', (part) => { text += part; }).on('end', () => resolve({ status, headers, text }));
      });
      request.on('error', reject).end(body);
    });
  }

  check(wanted, { status, headers, text }) {
    assert.equal(status, wanted.status);
    for (const [name, value] of Object.entries(wanted.headers)) {
      // Of what is refused, Faye says less.
      if (status === 200 || name === 'content-type') assert.equal(headers[name], value, name);
    }
    if (wanted.text) assert.equal(text, wanted.text);
    if (!wanted.json) return;
    const [begin, end] = wanted.call ? [`/**/${wanted.call}(`, ');'] : ['', ''];
    assert.ok(text.startsWith(begin) && text.endsWith(end));
    this.compare(wanted.json, JSON.parse(text.slice(begin.length, text.length - end.length)));
  }

  compare(wanted, found) {
    for (const one of found) {
      if (one.channel === '/meta/handshake' && one.clientId) {
        assert.match(one.clientId, /^[a-z0-9]+$/);
        assert.deepEqual(one.supportedConnectionTypes, TYPES);
        this.names.clientId = this.names.clientId || one.clientId;
        one.supportedConnectionTypes = TYPES.slice(0, -1);
      }
      if (one.data !== undefined) delete one.id;
    }
    assert.deepEqual(found, this.fill(wanted));
    // Replies have their fields in the same order, too.
    const replies = (messages) => messages.filter((one) => 'successful' in one).map((one) => Object.keys(one));
    assert.deepEqual(replies(found), replies(wanted));
  }

  async frame(step) {
    if (!this.socket) {
      this.inbox = new Inbox();
      this.socket = new WebSocket(`ws://127.0.0.1:${this.server.address().port}/faye`);
      this.socket.on('message', (raw) => this.inbox.put(JSON.parse(raw)));
      await new Promise((done) => this.socket.on('open', done));
    }
    this.socket.send(JSON.stringify(this.patient(this.fill(step.frame))));
    await this.whileHeld(step);
    // How messages share frames, and whether a reply or what comes of it is first, is the server's own choice.
    const wanted = step.frames.flat();
    if (!wanted.length) return assert.deepEqual(await this.inbox.next(), []);
    const found = [];
    while (found.length < wanted.length) found.push(...await this.inbox.next());
    const isReply = (one) => 'successful' in one;
    for (const kind of [isReply, (one) => !isReply(one)]) this.compare(wanted.filter(kind), found.filter(kind));
  }

  open(step) {
    this.events = new Inbox();
    const address = { port: this.server.address().port, path: this.fill(step.stream), headers: { accept: 'text/event-stream' } };
    return new Promise((resolve) => {
      http.get(address, (answer) => {
        let text = '';
        this.stream = answer.setEncoding('utf8').on('data', (part) => {
          text += part;
          const blocks = text.split('\r\n\r\n');
          text = blocks.pop();
          for (const block of blocks) if (block.startsWith('data: ')) this.events.put(JSON.parse(block.slice(6)));
          if (blocks[0] === 'retry: 5000') resolve();
        }).on('error', () => {});
        assert.equal(answer.statusCode, step.answer.status);
        assert.equal(answer.headers['cache-control'], step.answer.headers['cache-control']);
      });
    });
  }
}

describe("golden transcripts are true to Faye's server", () => {
  const names = fs.readdirSync(FOLDER).filter((name) => /^(faye-.*|refused)\.json$/.test(name));
  for (const name of names) {
    const { about, steps } = JSON.parse(fs.readFileSync(path.join(FOLDER, name), 'utf8'));
    it(`${name}: ${about}`, { timeout: 20_000 }, async () => {
      const run = new Run();
      await run.begin();
      try {
        for (const step of steps) if (!step.ours) await run.play(step);
      } finally {
        await run.end();
      }
    });
  }
});
