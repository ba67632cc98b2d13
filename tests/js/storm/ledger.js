// What can't be told change by change on one site: what was done that takes it, and what the log says of that.
//
// Rules: judgement rests on what was done and on the log, read past everything of ours; never on what the server says of
// itself. A reset whose cause is not here is one too many, and a receiver that is told none where there is a cause lacks one.
'use strict';

const { until } = require('./waiting');

// What a RESET in the log says of its cause → what was done.
const DONE = {
  'capture-reinstalled': ['blind', 'rebuild'],
  backlog: ['bulk'],
  'other-epoch': ['epoch'],
  trimmed: ['trim']  // before the feed itself had read it
};
// What was done after which each receiver of the table must be told.
const OWED = ['blind', 'rebuild'];
// What a run has to meet, and a longer one.
const OFTEN = ['capture-reinstalled', 'backlog', 'trimmed'];
const CAUSES = [...OFTEN, 'other-epoch', 'restored'];

const SEEN = 30e3;  // milliseconds until what was done must be seen in the log

const placeOf = (seq) => parseInt(seq.slice(8, 24), 16);
const epochOf = (seq) => seq.slice(0, 8);

class Ledger {
  constructor(site) { Object.assign(this, { site, deeds: [], entries: [], places: new Set() }); }

  // Note that something is about to be done. `done` is when it can be seen in the log.
  begin(kind, table) {
    const deed = { kind, table, begun: Date.now(), done: Infinity, place: 0 };
    this.deeds.push(deed);
    return deed;
  }

  // The deed is done when `query` gives a row, within so many milliseconds of a server's life.
  async seen(deed, query, within = SEEN) {
    const { site } = this;
    await until(async () => (await site.shell.rows(query)).length, within,
      () => `nothing in the log shows the ${deed.kind}`, { step: 50, since: () => site.since });
    deed.done = Date.now();
  }

  // Read the log.
  async read() {
    const rows = await this.site.shell.rows('SELECT seq AS place, check_digits AS digits, source, method, key FROM whole ORDER BY seq;');
    this.places = new Set(rows.map(({ place, digits }) => place.toString(16).padStart(16, '0') + digits));
    this.entries = rows.filter(({ method }) => method === 'RESET').map(({ place, source, key }) => ({ place, source, cause: key }));
  }

  // The RESETs of a table, each with what was done; what is wrong with them, in words, or ''.
  explain(table) {
    const free = this.deeds.filter((deed) => [table, null].includes(deed.table));
    for (const entry of this.of(table)) {
      const index = free.findIndex(({ kind }) => (DONE[entry.cause] || []).includes(kind));
      if (index < 0) return `the log says RESET of ${table} (${entry.cause}), and nothing was done to cause it`;
      [entry.deed] = free.splice(index, 1);
    }
    const owed = free.find(({ kind, table: one }) => one === table && OWED.includes(kind));
    return owed ? `the log says no RESET of ${table}, and there was a ${owed.kind}` : '';
  }

  of(table) { return this.entries.filter(({ source }) => source === table); }

  // Why who is at a seq can't be told the rest of a table at a time (milliseconds); '' where he could.
  // sure: only what he must be told, since it could be seen by then.
  why(seq, table, at, sure = false) {
    const place = placeOf(seq), isPast = (deed) => (sure ? deed.done : deed.begun) <= at;
    const deeds = this.deeds.filter(isPast), was = (kind, test) => deeds.some((deed) => deed.kind === kind && test(deed));
    if (was('epoch', ({ old }) => epochOf(seq) === old)) return 'other-epoch';
    if (was('restore', (deed) => place > deed.place && !this.places.has(seq.slice(8)))) return 'restored';
    // What was told lately a server knows without the log, and a RESET it may still have to read.
    if (sure) return '';
    if (was('trim', (deed) => place < deed.place)) return 'trimmed';
    const entry = this.of(table).find((one) => one.place > place && isPast(one.deed));
    return entry ? entry.cause : '';
  }

  // Whether a write may have gone past the triggers, itself or as an earlier try of it.
  isBlind(table, tries) {
    const blind = this.deeds.filter(({ kind, table: one }) => one === table && OWED.includes(kind));
    return tries.some(({ sentAt, answeredAt = Infinity }) => blind.some(({ begun, done }) => sentAt <= done && answeredAt >= begun));
  }

  // Whether something was written past the triggers after a place.
  isUntold(table, after) {
    return this.deeds.some(({ kind, table: one, place }) => one === table && OWED.includes(kind) && place >= after);
  }

  // The RESET of a table that stands after one place, and not after another.
  between(table, after, upto) { return this.of(table).find(({ place }) => place > placeOf(after) && place <= placeOf(upto)); }

  at(table, seq) { return this.of(table).find(({ place }) => place === placeOf(seq)); }
}

module.exports = { Ledger, OFTEN, CAUSES, placeOf, epochOf };
