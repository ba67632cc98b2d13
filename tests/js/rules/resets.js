// Whether each reset of a collection, and each doubt of what it knows, has its cause in what has just arrived.
//
// Rules: a cause is what a server has said; it is good for one reset of each collection that heard it, and only until what
// came with it has been taken: a page that is followed by others is taken with the last of these. Whoever is told that something is missing for him has asked from where something is.
'use strict';

const { CHANNEL } = require('./log');

// Whether two seqs are of different logs, or of one that went back in time.
const isForeign = (a, b) => a != null && b != null && a !== b &&
  (a.slice(0, 8) !== b.slice(0, 8) || a.slice(0, 24) === b.slice(0, 24));

class Resets {
  // oracle: {fail(text)}.  log: the server's.
  constructor(oracle, log) {
    Object.assign(this, { oracle, log, watched: [], heard: new Set() });
  }

  // From now on a collection's resets are judged. Within one it counts an era and doubts all, once each.
  watch(watched) {
    const { collection, client, name } = watched, { _listener: listener } = collection, { reset, doubt } = listener;
    const one = { name, client, listener, causes: [], joined: 0, within: { era: 0, doubt: 0 } };
    const counts = (what) => one.within[what]-- > 0;
    let { era } = listener;
    listener.reset = (start) => {
      const isElsewhere = isForeign(start, listener.position) && this.heard.has(start);
      if (!isElsewhere) this.use(one, `is reset to ${start}`, ({ kind }) => kind === 'reset');
      one.within = { era: 1, doubt: 1 };
      reset.call(listener, start);
      one.within = { era: 0, doubt: 0 };
    };
    listener.doubt = (...args) => {
      if (!counts('doubt')) this.use(one, 'doubts what it knows', ({ kind }) => kind !== 'list' && kind !== 'reset');
      return doubt.apply(listener, args);
    };
    Object.defineProperty(listener, 'era', {
      get: () => era,
      set: (value) => {
        const isOfList = ({ kind, seq }) => kind === 'list' && isForeign(seq, listener.position);
        if (!counts('era')) this.use(one, 'discards what it has asked for', isOfList);
        era = value;
      }
    });
    this.watched.push(one);
  }

  use({ name, causes, listener }, what, isIt) {
    const index = causes.findIndex(isIt);
    if (index < 0) this.oracle.fail(`${name} ${what} at ${listener.position}, and nothing it heard is a cause of that`);
    causes.splice(index, 1);
  }

  // These messages arrive at a client.  now: a number that rises with each request.
  hear(messages, client, now) {
    for (const { channel, successful, data, ext } of messages) {
      const live = (ext && ext.live) || {};
      this.heard.add(data ? data.seq : live.seq);
      for (const one of this.watched.filter((each) => each.client === client)) {
        const { causes, listener } = one;
        if (live.reset || (data && data.method === 'RESET')) causes.push({ kind: 'reset' });
        const isNew = channel === '/meta/subscribe' && successful && listener.stream && !listener.stream.confirmed;
        if (isNew) one.joined = now;
        if (isNew) causes.push({ kind: 'stream' });
      }
    }
  }

  // A request of then is answered, or never will be: what it tells may be from before the stream was confirmed.
  ended(then) { for (const { causes, joined } of this.watched) if (then <= joined) causes.push({ kind: 'answer' }); }

  // A list arrives, or a page of one.
  list({ 'Live-Seq': seq, Link: waits }) {
    this.heard.add(seq);
    for (const { causes } of this.watched) causes.push({ kind: 'list', seq, waits });
  }

  // What has arrived has been taken.
  taken() { for (const one of this.watched) one.causes = one.causes.filter(({ waits }) => waits); }

  // The server can't say what came after `since`.
  missing(since) {
    const { log } = this, place = parseInt(since.slice(8, 24), 16);
    const isReset = log.entries.some(({ channel, method, place: at }) => channel === CHANNEL && method === 'RESET' && at > place);
    if (log.era === 1 && !isReset && !(place < log.trimmed.place)) {
      this.oracle.fail(`who asks from ${since} is reset, and nothing is missing there`);
    }
  }
}

module.exports = { Resets };
