// What the users of one history write, and what became of it, wherever its server is.
//
// Rule: everything that happens is written to `trace`, and every situation worth counting to `counts`.
'use strict';

class Writes {
  // config: {nullable}.  random: a generator of numbers in [0, 1).
  constructor(config, random) {
    this.config = config;
    this.random = random;
    this.trace = [];
    this.counts = {};
    this.errors = [];
    this.ops = [];
    this.values = 0;
    this.writers = new Set();
    this.live = [];   // {name, collection, holds, client}
  }

  count(name, times = 1) { this.counts[name] = (this.counts[name] || 0) + times; }

  // The same, and once more if the write in question waits.
  countWrite(name, op) {
    this.count(name);
    if (op.wait) this.count(`${name}, wait: true`);
  }

  note(text) { this.trace.push(text); }

  freshValues() {
    const values = { title: `s${++this.values}`, done: this.random() < 0.5 };
    if (this.config.nullable || this.random() < 0.6) {
      values.note = this.config.nullable && this.random() < 0.4 ? null : `n${++this.values}`;
    }
    return values;
  }

  pending() { return this.ops.filter((op) => !op.settled); }

  // Note a write and make it. sent: the attributes that the user changes by it.
  write(kind, watched, model, sent, options, make) {
    const op = {
      n: this.ops.length, kind, watched, model, sent, wait: Boolean(options.wait), settled: false,
      frozen: model ? { ...model.attributes } : {}, id: model && model.id, place: this.log.place, era: this.log.era
    };
    this.ops.push(op);
    this.writers.add(watched.client);
    this.note(`${watched.name}: ${kind} ${model ? model.id || model.cid : ''} ${JSON.stringify(sent)} ` +
      `${JSON.stringify(options)}`);
    op.model = make({ ...options, op }) || model;
    if (!op.exchange) op.settled = op.unsent = true;
    return op;
  }

  settle(op, status) {
    if (!op || op.settled) return;
    const lost = op.entry && (status === 0 || status >= 500);
    const failed = status === 0 || status >= 400;
    if (failed) {
      op.failedAt = this.log.version;
      if (lost) this.countWrite('answer lost after commit', op);
      else if (status >= 400) this.countWrite(`${status < 500 ? '4xx' : '5xx'} on ${op.kind}`, op);
    }
    if (op.kind === 'save') {
      const earlier = this.pending().find((one) =>
        one.kind === 'save' && one.model === op.model && one.n < op.n);
      if (earlier) this.countWrite('two saves answered in reverse', { wait: op.wait || earlier.wait });
    }
    op.settled = true;
    op.status = status;
  }
}

module.exports = { Writes };
