// What is on its way between clients and the stub server. Nothing arrives by itself.
//
// Rules: an HTTP request and its answer are two parcels, and any parcel may be next; a socket keeps order in
// each direction, so only its first parcel may be. A lost parcel is a broken connection to its sender.
'use strict';

const MOST = 400;

class Parcel {
  // kind: request answer | poll reply | up down | open.
  constructor(kind, label, deliver, lose, about = {}) {
    this.kind = kind;
    this.label = label;
    this.deliver = deliver;
    this.lose = lose;
    this.about = about;
  }
}

class Network {
  constructor() {
    this.parcels = [];
    this.sockets = new Set();
    this.polls = new Set();
  }

  // Every connection of the browser breaks, with all that is on it; plain HTTP is not concerned.
  cut() {
    for (const socket of [...this.sockets]) socket.cut();
    for (const poll of [...this.polls]) poll.fail();
  }

  add(parcel) {
    if (this.parcels.push(parcel) > MOST) throw new Error(`more than ${MOST} parcels wait`);
    return parcel;
  }

  // The parcels that may be next, oldest first.
  ready(kinds) {
    const heads = new Set();
    return this.parcels.filter((parcel) => {
      const { socket } = parcel.about;
      if (socket && (parcel.kind === 'up' || parcel.kind === 'down')) {
        const lane = parcel.kind + socket.number;
        if (heads.has(lane)) return false;
        heads.add(lane);
      }
      return !kinds || kinds.includes(parcel.kind);
    });
  }

  drop(parcel) {
    const index = this.parcels.indexOf(parcel);
    if (index >= 0) this.parcels.splice(index, 1);
    return index >= 0;
  }

  deliver(parcel, ...args) {
    if (this.drop(parcel)) parcel.deliver(...args);
  }

  lose(parcel) {
    if (this.drop(parcel)) parcel.lose();
  }

  // What a parcel says on channels gets lost on the way, and nobody is told.
  thin(parcel) {
    const { messages } = parcel.about;
    messages.splice(0, messages.length, ...messages.filter((message) => !message.data));
  }
}

// One WebSocket, with the face that Faye's transport expects.
class Socket {
  constructor({ network, server, owner, afresh }, number) {
    Object.assign(this, { network, server, owner, afresh, number, readyState: 0, kind: 'socket' });
    network.sockets.add(this);
    network.add(new Parcel('open', `socket ${number} opens`, () => {
      this.readyState = 1;
      if (this.onopen) this.onopen();
    }, () => this.cut(), { socket: this }));
  }

  // From the client.
  send(text) {
    const messages = this.afresh(JSON.parse(text));
    this.network.add(new Parcel('up', `→ ${summary(messages)}`, () => {
      this.server.receive(messages, this.carrier);
    }, () => this.cut(), { socket: this, messages }));
  }

  get carrier() {
    if (!this.back) this.back = { kind: 'socket', send: (messages) => this.down(messages) };
    return this.back;
  }

  // From the server.
  down(messages) {
    if (this.readyState !== 1) return;
    this.network.add(new Parcel('down', `← ${summary(messages)}`, () => {
      if (this.onmessage) this.onmessage({ data: JSON.stringify(messages) });
    }, () => this.cut(), { socket: this, messages, owner: this.owner }));
  }

  close() { this.cut(); }

  cut() {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.network.sockets.delete(this);
    this.network.parcels = this.network.parcels.filter((parcel) => parcel.about.socket !== this);
    this.server.closed(this.carrier);
    if (this.onclose) this.onclose();
  }
}

function summary(messages) {
  return messages.map((message) => {
    if (message.data) {
      const { method, body, seq, prev, origin } = message.data;
      const place = (text) => text && parseInt(text.slice(8, 24), 16);
      return `${method} ${JSON.stringify(body)} seq ${place(seq)} prev ${place(prev)}` +
        (origin ? ` origin ${origin}` : '');
    }
    const parts = [message.channel.replace('/meta/', '')];
    if (message.successful === false) parts.push('FAILED', message.error);
    if (message.ext) parts.push(JSON.stringify(message.ext.live));
    return parts.join(' ');
  }).join(' | ');
}

module.exports = { Network, Parcel, Socket, summary };
