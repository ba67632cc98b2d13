// The stub server's Bayeux: sessions whose subscriptions are positions, as design section 5 gives them.
//
// Rules: a subscription is sent what comes after its position, in order; on long-polling, messages travel
// only in /meta/connect replies; the first connect of a socket, and each poll, sets positions back.
'use strict';

const TIMEOUT = 45000;

class Session {
  constructor(id) {
    this.id = id;
    this.positions = new Map();  // channel → place up to which it has been sent everything
    this.socket = null;          // {send(messages)} while a socket is open
    this.poll = null;            // {send(messages), reply} while a connect is held
    this.stalled = false;
    this.connected = false;
  }
}

class Bayeux {
  // replyFirst: whether a poll's own reply stands before the messages that it brings.
  constructor(log, timers, { replyFirst = true } = {}) {
    this.log = log;
    this.timers = timers;
    this.replyFirst = replyFirst;
    this.sessions = new Map();
    this.count = 0;
  }

  // Messages of one request. carrier: {kind, send(messages)}; its answer goes there, now or later.
  receive(messages, carrier) {
    const replies = [];
    for (const message of messages) {
      const reply = this.answer(message, carrier);
      if (reply) replies.push(reply);
    }
    if (replies.length) carrier.send(replies);
    for (const message of messages) {
      const session = this.sessions.get(message.clientId);
      if (session) this.pump(session);
    }
  }

  answer(message, carrier) {
    const { channel, id } = message;
    if (channel === '/meta/handshake') return this.handshake(id);
    const session = this.sessions.get(message.clientId);
    if (!session) {
      return {
        channel, id, successful: false, error: `401:${message.clientId}:Unknown client`,
        subscription: message.subscription, advice: { reconnect: 'handshake' }
      };
    }
    const reply = { channel, id, successful: true, clientId: session.id };
    if (channel === '/meta/connect') return this.connect(session, message, reply, carrier);
    if (channel === '/meta/subscribe') return this.subscribe(session, message, reply);
    if (channel === '/meta/unsubscribe') {
      session.positions.delete(message.subscription);
      return { ...reply, subscription: message.subscription };
    }
    this.sessions.delete(session.id);
    return reply;
  }

  handshake(id) {
    const session = new Session('client' + (++this.count));
    this.sessions.set(session.id, session);
    return {
      channel: '/meta/handshake', id, successful: true, version: '1.0', clientId: session.id,
      supportedConnectionTypes: ['long-polling', 'websocket'], ext: { live: { version: 1 } },
      advice: { reconnect: 'retry', interval: 0, timeout: TIMEOUT }
    };
  }

  subscribe(session, message, reply) {
    const { log } = this;
    const channel = message.subscription;
    const since = message.ext && message.ext.live && message.ext.live.since;
    const held = session.positions.get(channel);
    const live = {};
    let place = held === undefined ? log.published : held;
    if (since !== undefined) {
      const found = log.locate(channel, since);
      if (found === undefined) this.onMissing(since);
      if (found === undefined) live.reset = true;
      else place = Math.min(place, found);
    }
    session.positions.set(channel, place);
    live.seq = log.seqAt(Math.max(place, log.trimmed.place));
    this.onSubscribe(channel, since, live, place, held);
    return { ...reply, subscription: channel, ext: { live } };
  }

  onSubscribe() {}

  onMissing() {}

  connect(session, message, reply, carrier) {
    const at = (message.ext && message.ext.live && message.ext.live.at) || {};
    const isSocket = carrier.kind === 'socket';
    reply.advice = { reconnect: 'retry', interval: 0, timeout: TIMEOUT };
    if (!isSocket || session.socket !== carrier) {
      const last = this.setBack(session, at);
      if (Object.keys(last).length) reply.ext = { live: { last } };
    }
    if (session.poll) this.release(session);
    const first = isSocket ? session.socket !== carrier : !session.connected;
    session.connected = true;
    if (isSocket) session.socket = carrier;
    if (first || (message.advice && message.advice.timeout === 0)) return reply;
    const poll = { carrier, reply };
    session.poll = poll;
    poll.timer = this.timers.set(() => {
      if (session.poll === poll) this.release(session);
    }, TIMEOUT);
    return null;
  }

  setBack(session, at) {
    const last = {};
    for (const [channel, seq] of Object.entries(at)) {
      if (!session.positions.has(channel)) continue;
      const sent = session.positions.get(channel);
      const place = this.log.locate(channel, seq);
      if (place === undefined) {
        this.onMissing(seq);
        session.positions.set(channel, -1);
        last[channel] = this.log.seqAt(sent);
      } else if (place < sent) {
        session.positions.set(channel, place);
        last[channel] = this.log.seqAt(sent);
      }
    }
    return last;
  }

  // The held connect is answered.
  release(session, messages = []) {
    const { carrier, reply, timer } = session.poll;
    session.poll = null;
    this.timers.clear(timer);
    carrier.send(this.replyFirst ? [reply, ...messages] : [...messages, reply]);
  }

  publish() {
    this.log.publish();
    for (const session of this.sessions.values()) this.pump(session);
  }

  // Send a session what it may now be sent.
  pump(session) {
    if (session.socket ? session.stalled : !session.poll) return;
    const messages = this.take(session);
    if (!messages.length) return;
    if (session.socket) session.socket.send(messages);
    else this.release(session, messages);
  }

  take(session) {
    const messages = [];
    for (const [channel, place] of session.positions) {
      // What it has still to be sent may have been trimmed away while its socket took nothing.
      if (place < this.log.trimmed.place) {
        const seq = this.log.position();
        messages.push({ channel, data: { method: 'RESET', seq, prev: seq } });
      } else {
        messages.push(...this.log.messages(channel, place, session.behind));
      }
      session.positions.set(channel, this.log.published);
    }
    session.behind = false;
    return messages;
  }

  stall() {
    for (const session of this.sessions.values()) if (session.socket) session.stalled = true;
  }

  unstall() {
    for (const session of this.sessions.values()) {
      if (!session.stalled) continue;
      session.stalled = false;
      session.behind = true;
      this.pump(session);
    }
  }

  closed(carrier) {
    for (const session of this.sessions.values()) {
      if (session.socket === carrier) {
        session.socket = null;
        session.stalled = false;
      }
      if (session.poll && session.poll.carrier === carrier) {
        this.timers.clear(session.poll.timer);
        session.poll = null;
      }
    }
  }

  // Sessions end; what is open stays open and is told at the next message.
  forget() {
    for (const session of this.sessions.values()) {
      if (session.poll) this.timers.clear(session.poll.timer);
      session.poll = null;
    }
    this.sessions.clear();
  }
}

module.exports = { Bayeux };
