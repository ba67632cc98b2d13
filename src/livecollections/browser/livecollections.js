//     livecollections.js 0.1.0, distributed under the MIT license, as Backbone is

// A `LiveCollection` is a Backbone.Collection that stays equal to the server's rows: REST goes up, Bayeux comes down.
(function(factory) {
  const root = typeof globalThis === 'object' ? globalThis : self, faye = () => root.Faye;
  const load = () => { try { return root.Faye || require('faye'); } catch (error) { return null; } };
  // AMD, or Node.js, CommonJS and bundlers, or a global, whose factory `livecollections.mjs` finds under a symbol.
  if (typeof define === 'function' && define.amd) {
    define(['backbone', 'underscore'], (Backbone, _) => factory(root, Backbone, _, faye));
  } else if (typeof module === 'object' && module.exports) {
    module.exports = factory(root, require('backbone'), require('underscore'), load);
  } else {
    root[Symbol.for('livecollections')] = factory;
    if (root.Backbone) root.LiveCollection = factory(root, root.Backbone, root._, faye);
  }
})(function(root, Backbone, _, findFaye) {

  // ## Seqs
  // A **seq** is a change's place in the server's log: a string whose first eight characters name the log. Seqs of
  // different logs are never compared. If only the last four differ, the check, one is of a log that went back in time.
  const forked = (a, b) => a.length === 28 && a !== b && a.slice(0, 24) === b.slice(0, 24);
  const sameLog = (a, b) => a.slice(0, 8) === b.slice(0, 8) && !forked(a, b);
  const foreign = (a, b) => a != null && b != null && !sameLog(a, b);
  const older = (a, b) => a != null && b != null && sameLog(a, b) && a < b;
  const later = (a, b) => (b != null && (a == null || older(a, b)) ? b : a);
  const supersedes = (seq, state) => state && !older(seq, state.seq);

  // Counts requests and tombstones, so that one can say which came first.
  let clock = 0;
  // A token by which a create is known again when it comes back as a push.
  const token = () => _.times(24, () => Math.floor(Math.random() * 36).toString(36)).join('');

  // ## What the server knows of a model
  // Each model *object* has one state, for all collections that hold it (its `homes`). `known` is the newest server
  // state whole, parsed from `body` when first needed, `version` its seq, and `doubt` tells since when the log may have lost
  // that; `saves` are unanswered, `kept` are attributes of failed ones, `stray` those that the server may have had once.
  const states = new WeakMap();
  const blank = () => ({version: null, known: null, body: null, saves: [], kept: {}, stray: {}, homes: new Set(), stamp: 0});
  const stateOf = (model) => states.get(model) || states.set(model, blank()).get(model);
  const versionOf = (model) => stateOf(model).version;
  const homesOf = (model) => _.pluck([...stateOf(model).homes], '_listener').filter((listener) => listener && listener.on);
  const parsed = (model, body) => model.parse(_.clone(body), {parse: true}) || {};
  const known = (model, state = stateOf(model)) => (state.known = state.known || state.body && parsed(model, state.body));

  // Take a newer state as known. What a failed save has kept gives way to it.
  const learn = (model, body, version = null, parse, doubt) => {
    stray(model, known(model));
    if (version == null || version !== versionOf(model)) keep(model, {});
    Object.assign(stateOf(model), {body: parse ? body : null, known: parse ? null : body, version, gone: false, doubt});
  };
  const lose = (model, version) => Object.assign(stateOf(model), {version, gone: true, doubt: void 0});
  const stray = (model, attrs) => { for (const name in attrs) stateOf(model).stray[name] = true; };

  // A model reports itself `unsaved` while it keeps attributes of a failed save, or while its create has failed.
  const keep = (model, kept, created) => {
    if (created || !_.isEmpty(kept) || model.unsaved) model.unsaved = !!created || !_.isEmpty(kept);
    stateOf(model).kept = kept;
  };

  // What an unanswered or failed save has sent shows what the user put there.
  const mine = (model) => Object.assign({}, stateOf(model).kept, ..._.pluck(stateOf(model).saves, 'sent'));

  // What `set` is given: what is known of a model (`undefined`: it has vanished, `prune` drops it), and the user's own values.
  const view = (model) => {
    const attrs = Object.assign({}, known(model));
    if (known(model)) for (const name in stateOf(model).stray) if (!_.has(attrs, name)) attrs[name] = void 0;
    for (const name in mine(model)) attrs[name] = model.attributes[name];
    return attrs;
  };
  const prune = (model) => {
    const state = stateOf(model), own = mine(model), names = Object.assign({}, own, state.stray);
    for (const name in names) if (model.attributes[name] === void 0) delete model.attributes[name];
    if (state.known) state.stray = _.pick(state.stray, _.keys(own));
    return model;
  };
  const show = (model) => prune(known(model) ? model.set(view(model), {seq: versionOf(model)}) : model);

  // Hand an answer to Backbone's own callback, which asks `parse` what to `set`; the user's get the response itself.
  const deliver = (model, attrs, options, callback, context, args) => {
    const own = _.has(model, 'parse') && model.parse, restore = () => { if (own) model.parse = own; else delete model.parse; };
    if (options.parse) model.parse = () => { restore(); return attrs; };
    try { callback.apply(context, options.parse ? args : [attrs, ...args.slice(1)]); } finally { if (options.parse) restore(); }
    prune(model);
  };

  // Objects are hooked at `sync`, as Backbone offers, each by itself: classes and globals stay, and its own `sync` is called.
  const hooks = new WeakMap();
  const hook = (object) => {
    const before = _.has(object, 'sync') && object.sync;
    if (before && hooks.get(object) === before) return object;
    const value = function(method, model, options) {
      const inner = before || Object.getPrototypeOf(object).sync;
      const home = object instanceof Backbone.Collection ? object : object.collection;
      const listener = home ? home._listener : homesOf(object)[0];
      if (model !== object || !listener || !listener.on || options && options.page) return inner.apply(this, arguments);
      const request = listener.request(method, model, options || (options = {}));
      const send = () => listener.limit(request, inner.call(this, method, model, options));
      try { return send(); } catch (error) { listener.end(request); throw error; }
    };
    hooks.set(object, value);
    return Object.defineProperty(object, 'sync', {value, writable: true, configurable: true, enumerable: false});
  };
  // Reads headers of the answer, where `Backbone.ajax` gives a way to.
  const reader = (options, args) => {
    const readable = (one) => one && (_.isFunction(one.getResponseHeader) || one.headers && _.isFunction(one.headers.get));
    const xhr = [args[2], args[0], options.xhr].find(readable);
    return (name) => xhr && (xhr.getResponseHeader ? xhr.getResponseHeader(name) : xhr.headers.get(name)) || null;
  };

  // ## Batches
  // What came together is shown together. A batch learns states and deletions in their order, and then makes one `set`:
  // of models `shown` as they are known and those `gone`, of `fresh` documents without a model (id → {body, seq, parse}),
  // of models that are `named` (→ id), of creates whose models are `adopted` (id →), and of a `list`, ids in its order.
  class Batch {
    constructor(listener) {
      const {collection} = listener, [fresh, named, adopted] = _.times(3, () => new Map());
      Object.assign(this, {listener, collection, shown: new Set(), gone: new Set(), fresh, named, adopted, list: null});
    }
    find(id) {
      const named = ([model, name]) => String(name) === String(id) && this.shown.has(model);
      return this.collection.get(id) || ([...this.named].find(named) || [])[0];
    }
    // A state of the document `id`. A list shows the known one also where its own is no newer: a `fetch` is a wish.
    state(id, body, seq, parse, listed) {
      const key = String(id), {listener, fresh} = this, away = listener.hidden.get(key) || this.adopted.get(key);
      const model = this.find(id) || away && away.model, version = model && versionOf(model);
      const newer = !older(seq, version) && (listed || seq == null || seq !== version);
      const gone = !model && (listener.buried(key, seq) || older(seq, listed ? listener.floor : listener.ahead.version));
      for (const waiting of gone ? [] : [listener.held, fresh]) if (supersedes(seq, waiting.get(key))) waiting.delete(key);
      if (model && newer) learn(model, body, seq, parse);
      if (model && !away && (newer || listed)) {
        this.gone.delete(model);
        this.shown.add(model);
      } else if (model && newer && homesOf(model).length) show(model);
      else if (!model && !gone && !fresh.has(key)) fresh.set(key, {body, seq, parse});
    }
    // The document is gone; a tombstone stays. Another collection may hold the very model, and have read past this.
    remove(id, seq) {
      const key = String(id), {listener} = this, model = this.find(id), hidden = listener.hidden.get(key);
      listener.bury(key, seq);
      for (const rows of [listener.held, this.fresh]) if (supersedes(seq, rows.get(key))) rows.delete(key);
      if (this.adopted.has(key) && !older(seq, versionOf(this.adopted.get(key).model))) this.adopted.delete(key);
      if (hidden && !older(seq, versionOf(hidden.model))) lose(hidden.model, seq);
      if (!model || older(seq, versionOf(model))) return;
      lose(model, seq);
      this.shown.delete(model);
      this.gone.add(model);
      listener.drop(model, seq, (other) => other !== listener && !older(other.position, seq));
    }
    // The document `id` *is* this created model. Another object for it goes, but nothing that is known of that one.
    identify(create, id, seq) {
      const {model} = create, {collection, fresh, listener: {held}} = this, key = String(id), other = this.find(id);
      const rows = _.compact([held.get(key), fresh.get(key)]);
      for (const row of rows) if (!older(row.seq, versionOf(model))) learn(model, row.body, row.seq, row.parse);
      for (const waiting of [held, fresh]) waiting.delete(key);
      create.id = id;
      if (other && other !== model) {
        if (known(other) && !older(versionOf(other), versionOf(model))) learn(model, known(other), versionOf(other), false, stateOf(other).doubt);
        this.shown.delete(other);
        collection.remove(other, {live: true, seq: later(seq, versionOf(other))});
        if (homesOf(other).length) show(other);
      }
      this.named.set(model, id);
      if (this.listener.shows(create)) this.shown.add(model);
      else this.adopted.set(key, create);
    }
    // What `set` is given for a model that is to be shown, and for a new document.
    attributes(model) {
      const id = this.named.has(model) ? this.named.get(model) : model.id;
      return _.extend(view(model), id != null && {[model.idAttribute]: id});
    }
    make(key, options) {
      const {body, seq, parse} = this.fresh.get(key), model = this.collection._prepareModel(body, _.extend({}, options, {parse}));
      this.fresh.delete(key);
      if (model) learn(model, body, seq, parse);
      return model;
    }
    // For `reset`, as in Backbone, another object for each document, unless a save is open or failed or it is shared.
    remake(model, options) {
      const attrs = this.attributes(model);
      if (stateOf(model).saves.length || model.unsaved || homesOf(model).length > 1) return model.set(attrs, options);
      this.fresh.set(model, {body: attrs, seq: versionOf(model), parse: false});
      return this.make(model, options);
    }
    // A list comes in its order, then what it lacks and stays. For pushes Backbone need not look at the others.
    commit(options, reset) {
      const {collection, list, shown, gone, fresh, named, adopted} = this, seen = new Set(), entries = [];
      const setting = _.extend({}, options, {parse: false});
      const add = (model) => {
        if (!model || seen.has(model) || gone.has(model)) return;
        seen.add(model);
        entries.push(!shown.has(model) ? model : reset ? this.remake(model, options) : this.attributes(model));
      };
      for (const [model, id] of named) if (shown.has(model)) collection._byId[id] = model;
      for (const key of list || []) add(fresh.has(key) ? this.make(key, options) : collection.get(key));
      if (gone.size || list && list.whole || reset) collection.models.forEach(add);
      else setting.remove = false;
      shown.forEach(add);
      for (const key of [...fresh.keys()]) add(this.make(key, options));
      if (entries.length || list || gone.size) collection[reset ? 'reset' : 'set'](_.compact(entries), setting);
      shown.forEach(prune);
      for (const {model, options: {at}} of adopted.values()) {
        prune(model.set(this.attributes(model), setting));
        collection.add(model, at == null ? options : _.extend({at}, options));
      }
    }
  }

  // ## Listeners
  // A **listener** is what makes one collection live, from `listen` to `unlisten`. It keeps the collection's `position` (up to
  // where it has everything), `from` (where its stream began), the `floor` (the seq of its last whole list; `top` is how far
  // that may have looked ahead) and the tombstones. `era` counts resets: answers to requests of an earlier era, or from before
  // the last one's `base`, only tell ids. `told` is the latest request's answer (seq, stamp). `hidden` is what is being destroyed
  // (id → {model, at}), `held` are rows that wait for `creates` (id → {body, seq, parse}; origin → {model, listener, options,
  // pending, id}), `waiting` are answers that wait for the stream ({until, run}; a whole list collects `messages`).
  class Listener {
    constructor(collection, options) {
      const {seq = null, fetch = seq == null} = options, [tombs, hidden, held, creates] = _.times(4, () => new Map());
      Object.assign(this, {collection, options, on: options.live !== false, era: 0, tries: 0, needed: !!fetch, from: null, top: null});
      Object.assign(this, {position: seq, floor: seq, ahead: {}, tombs, hidden, held, creates, requests: new Set(), waiting: [], told: {}, sides: []});
      collection.each((model) => { if (seq != null && !model.isNew()) learn(model, _.clone(model.attributes), seq); });
    }
    // Begin: subscribe, and read.
    start() {
      const {collection, options} = this, link = this.on && findLink(collection, options);
      const url = link && _.result(collection, 'url'), needed = this.needed && !!url;
      const channel = link && (options.channel || _.result(collection, 'channel') || guess(url));
      Object.assign(this, {link, on: !!channel, needed, joined: !needed, signal: /\?/.test(url)});
      if (!channel) return;
      hook(collection);
      this.join(channel);
      this.update();
      if (!this.reading()) this.unread();
    }
    stop() {
      this.on = false;
      for (const {timer} of [this, ...this.requests]) clearTimeout(timer);
      this.reached(true);
      for (const one of [this, ...this.sides]) if (one.stream) one.stream.leave(one);
      Object.assign(this, {stream: null, sides: []}).update();
      return this.collection;
    }
    // The stream may already be under way: then this is where ours begins.
    join(channel) {
      if (this.stream) this.stream.leave(this);
      Object.assign(this, {from: null, stream: this.link.join(channel, this)});
      if (this.stream.last != null) this.begin({start: this.stream.last});
    }
    // What `collection.live` says, and who wants to know. Never silently stale.
    update() {
      const {collection, link, stream, sides, on} = this, waiting = collection._waiting, streams = [stream, ..._.pluck(sides, 'stream')];
      const refused = on && stream && !this.reading() && _.find(_.pluck(streams, 'refused'));
      const stale = on && link && (link.stale || this.orphan && 'the server names no channel for it');
      const state = !on || !link ? 'off' : stale ? 'stale' : refused ? 'refused'
        : _.every(streams, 'confirmed') && this.joined && !this.behind ? 'live' : 'connecting';
      if (collection._listener !== this || collection.live === state) return;
      const settle = state === 'live' ? 'resolve' : state === 'refused' && 'reject';
      collection.live = state;
      if (settle) collection._waiting = [];
      if (stale || refused) root.console.warn(`LiveCollection ${_.result(collection, 'url')} is ${state}: ${stale || refused}`);
      collection.trigger('live', collection, state);
      if (state === 'refused') collection.trigger('error', collection, refused, {live: true});
      if (settle) _.invoke(waiting, settle, refused || collection);
    }
    // A tombstone is kept while an answer may come that knows less, or the stream may tell again what was before it.
    bury(key, version, doubt) { if (version != null && !older(version, (this.tombs.get(key) || {}).version)) this.tombs.set(key, {version, stamp: ++clock, doubt}); }
    buried(key, seq, {version: last, doubt} = this.tombs.get(key) || {}) { return !!last && (!seq || older(seq, last) || seq === last && !doubt); }
    forgetTombs() {
      const first = this.held.size || this.waiting.length ? 0 : Math.min(..._.pluck([...this.requests], 'stamp'));
      for (const [key, {version, stamp}] of this.tombs) if (stamp < first && !older(this.position, version)) this.tombs.delete(key);
    }

    // ## The stream
    // Take what the stream has brought, in its order.
    take(items) {
      let batch = new Batch(this);
      const commit = () => [batch, batch = new Batch(this)][0].commit({live: true, seq: this.latest(this.position)});
      for (const {reply, last, data} of items) {
        if (reply) commit();
        if (!this.on) return;
        if (reply) this.begin(reply);
        else if (last) this.compare(last);
        else this.message(data, batch, commit);
      }
      commit();
      this.reached();
      this.forgetTombs();
      this.update();
    }
    // Our subscription is confirmed: this is where the stream begins; where no `start` is told, all is to be read.
    begin({start, reset, broken}) {
      this.behind = false;
      if (start == null || reset || foreign(this.position, start)) return this.reset(start);
      // It vouches for our position. What answers and lists have told beyond that, a restored log may have lost.
      if (broken && this.position != null) Object.assign(this, {rejoined: ++clock}).doubt();
      if (this.position == null) Object.assign(this, {position: start, entered: ++clock}, this.era && {joined: false, needed: true});
      if (this.from == null) this.from = start;
      if (older(this.position, start)) this.resume();
      else if (!this.reading()) this.unread();
    }
    resume() { Object.assign(this, {behind: true, from: this.position}).stream.resume(); }
    // The server says what it has sent last, and may send it again after that: what is missing by the line's next time is lost.
    compare(last) {
      const behind = older(this.position, last);
      if (behind && this.missed === this.position && !this.link.renew()) this.resume();
      this.missed = behind ? this.position : null;
    }
    // There is a gap if and only if `prev` is after our position; what is not after our position is a repeat.
    message(data, batch, commit) {
      const {method, seq, prev} = data || {}, {position} = this, hold = this.waiting.find((one) => one.messages);
      if (method && (seq == null || position == null) && this.stream.legacy) this.unnumbered(data, batch);
      if (!method || this.link.stale || seq == null || position == null) return;
      const repeat = sameLog(seq, position) && seq <= position, gap = method !== 'RESET' && older(position, prev);
      if (forked(seq, position) || prev && forked(prev, position)) return this.reset(seq);
      if (!sameLog(seq, position) || repeat && method === 'RESET' || gap) return this.resume();
      if (repeat) return this.origin(data, batch, true);
      this.position = seq;
      if (method === 'RESET') return [commit(), this.reset(seq)];
      if (!hold) return this.apply(data, batch);
      hold.messages.push(data);
      if (!older(seq, hold.until)) return [commit(), this.reached()];
    }
    apply(data, batch) {
      const id = data.body && this.collection.modelId(data.body);
      this.origin(data, batch);
      if (this.signal) this.unread(true);
      else if (id != null && data.method === 'DELETE') batch.remove(id, data.seq);
      else if (id != null && data.method === 'PUT' && this.isUnknown(id, batch) && !_.isEmpty(this.doubts())) this.hold(id, data, batch);
      else if (id != null) batch.state(id, data.body, data.seq, true);
    }
    // A push with the origin of our create *is* its model. A repeat tells at least that; if it is not here, it is gone.
    origin(data, batch, repeat) {
      const {collection} = this, create = data.origin && data.method !== 'DELETE' && this.stream.create(data.origin);
      if (!create) return;
      const {model} = create, own = create.listener === this, here = this.shows(create);
      const id = collection.modelId(data.body), other = batch.find(id);
      if (own) this.creates.delete(data.origin);
      if (own && create.id == null) create.id = id;
      if ((here || own && !repeat) && other !== model && (model.id == null || model.id === id)) {
        const key = String(id), past = this.hidden.has(key) || this.buried(key, data.seq), row = this.held.has(key) || batch.fresh.has(key);
        stray(model, parsed(model, data.body));
        if (!past && (!repeat || other || row)) batch.identify(create, id, this.latest(this.position));
        else if (here) batch.gone.add(model);
      }
      if (own) this.release(batch);
    }
    // Another server's messages have no seq and apply as they come; which are our creates' the answers will show.
    unnumbered(data, batch) {
      const {method, body, seq = null} = data, id = body && this.collection.modelId(body), key = String(id);
      if (id == null || this.signal) return void (id != null && this.unread(true));
      this.outdate(key);
      if (method !== 'DELETE' && !batch.find(id) && this.holds()) return void this.hold(id, {body, seq});
      this.held.delete(key);
      this.apply(data, batch);
    }
    // What came after a list was asked for is newer than it: without seqs its rows can't tell.
    outdate(key) { if (this.stream && this.stream.legacy) for (const {outdated} of this.requests) outdated.add(key); }
    // What happened can't be told: read again. What is known stays until then; what was gone `ahead` of the new start stays gone.
    reset(start) {
      this.ahead = {version: later(this.position, this.ahead.version)};
      Object.assign(this, {era: this.era + 1, joined: false, base: start, position: start, from: start, floor: null, held: new Map()});
      if (start == null) for (const one of this.facts()) one.version = null;
      this.doubt(true);
      this.update();
    }
    // All states and tombstones (`ahead` is one of all else). Which in doubt the log has `lost`, a list tells that was asked for since.
    facts() { return this.collection.models.concat(_.pluck([...this.hidden.values()], 'model')).map(stateOf).concat(this.ahead, ...this.tombs.values()); }
    doubt(all, which = ({version}) => all || older(this.position, version)) {
      const batch = new Batch(this), doubted = this.facts().filter(which).map((one) => Object.assign(one, {doubt: ++clock}));
      if (!doubted.length && !which({version: this.top})) return;
      for (const one of this.requests) if (one.list) one.era = null;
      for (const data of _.flatten(_.compact(_.pluck(this.waiting, 'messages')))) this.apply(data, batch);
      batch.commit({live: true, seq: this.latest(this.position)});
      Object.assign(this, {top: null}).reached(true);
      this.unread(true);
    }
    lost({stamp, label}) { return this.facts().filter(({version, doubt}) => doubt < stamp && older(label, version)); }
    // The seq that an event tells: it never falls.
    latest(seq) { return [this.position, this.stream && this.stream.last].reduce((a, b) => (older(a, b) ? b : a), seq); }

    // ## Reading
    // A read of the whole list that is under way and still counts; one from before we joined again may have died with the old line.
    reading() { return [...this.requests].some(({list, whole, era, overdue, stamp}) => list && whole && era === this.era && !overdue && !(stamp < this.rejoined)); }
    // A read that is not answered in time is not waited for: we read again. Our own is given up; it gets more time then.
    limit(request, xhr) {
      const link = this.link || findLink(this.collection, this.options);
      clearTimeout(request.timer);
      if (!link || !request.list || !request.whole || !this.requests.has(request)) return xhr;
      request.timer = within(link.timeout * Math.pow(2, Math.min(this.tries, 4)), () => {
        request.overdue = true;
        if (request.ours && xhr && xhr.abort) xhr.abort();
        this.retry();
      });
      return xhr;
    }
    // Read if there is need, one at a time; where a read has failed, later.
    unread(needed) {
      this.needed = this.needed || !!needed;
      if (!this.stream || !this.needed || this.link.stale) return;
      Object.assign(this, {timer: clearTimeout(this.timer), again: this.reading()});
      if (!this.again) this.collection.fetch(this.joined ? {reread: true, live: true} : {reread: true});
    }
    retry() {
      if (this.timer || !this.stream || !this.needed || this.reading() || this.stream.refused) return;
      const delay = Math.min(10000, 500 * Math.pow(2, this.tries++));
      this.timer = setTimeout(() => this.unread(), delay * (0.5 + Math.random() / 2));
    }
    // What the answer to a read of the list means for the whole. One without `Live-Seq` counts at where we were on asking.
    admit(request) {
      const {header, whole, seq, label, pages} = request, top = later(request.until || label, _.last(pages).seq);
      const [name, ...names] = (header('Live-Channel') || header('Live-Signal') || '').split(/, */), other = foreign(label, this.position);
      const late = other && (!whole || request.stamp < this.entered) || this.past(request, label) || request.stamp < this.rejoined && older(this.position, top);
      request.useless = late || !this.stream || request.torn || request.era !== this.era || older(label, this.floor) || whole && older(top, this.top);
      if (request.useless || !whole) return;
      if (name) this.signal = !header('Live-Channel');
      if (name && this.stream.channel !== name) this.join(name);
      const early = older(label, this.lost(request).length ? this.position : this.from), joins = request.joins = !!label || this.stream.legacy;
      Object.assign(this, {orphan: !!seq && !name, top, floor: label || this.floor});
      if (other) Object.assign(request, {era: ++this.era}, this.tombs.clear(), this.held.clear());
      if (other || this.position == null) this.entered = ++clock;
      if (label && (other || early || !this.position || older(this.position, label))) this.position = label;
      if (other || early) this.resume();
      if (joins) this.needed = this.again;
      const before = this.sides;
      this.sides = names.map((beside) => new Side(this, beside, label));
      for (const side of before) side.stream.leave(side);
    }
    // The answer to a read of the list; its further pages are read first. Rows ahead of the stream (`Live-Until`) wait for it.
    list(request, resp, options, proceed) {
      const run = () => {
        request.useless = request.useless || request.era !== this.era;
        this.joined = this.joined || request.joins && !request.useless;
        if (options.live) options.seq = this.latest(request.label);
        reads.set(options, request);
        try { proceed(); } finally { this.listRead(request); }
      };
      if (request.failed || !this.stream) return [this.end(request), proceed(), this.retry()];
      this.follow(Object.assign(request, {pages: []}), options, resp, request.header, null, () => {
        clearTimeout(request.timer);
        const {until} = request, old = this.waiting.find((one) => one.messages);
        this.admit(request);
        const counts = request.whole && !request.useless, ends = counts && old;
        if (counts) request.messages = old && sameLog(old.until, request.label || '') ? old.messages.splice(0) : [];
        if (ends) old.request.useless = true;
        if (ends) this.reached(false, old);
        if (this.signal || !older(this.position, until)) run();
        else this.waiting.push({request, until, run, messages: counts && request.messages});
      });
    }
    // What is still to be read is read at once; but later, where a list without pushes was older than what it lacks.
    listRead(request) {
      const lagging = this.needed && this.joined && !this.again;
      this.end(request);
      if (lagging) return this.retry();
      this.tries = 0;
      if (this.stream && this.stream.confirmed && !this.reading()) this.unread(this.again);
    }
    // Note a page, and follow `Link: <…>; rel="next"` where it is not a `limit` in the URL that cuts. Of two logs they are no list.
    follow(request, options, body, header, url, done) {
      const {collection} = this, list = _.result(collection, 'url'), {header: first, pages, whole, at, label} = request;
      const seq = header('Live-Seq') || at, until = header('Live-Until');
      pages.push({url, body, seq: later(label, seq), until});
      const told = (request.made || pages.length === 1) && request.asked && header('Live-Created');
      const made = told && attempt(() => _.pick(JSON.parse(told), (members) => _.isObject(members) && !_.isEmpty(members)));
      Object.assign(request, {until: later(request.until, until), torn: request.era !== this.era || foreign(seq, label), made: made && _.extend(made, request.made)});
      const link = (first('Live-Channel') || first('Live-Signal')) && /<([^>]*)>[^,]*;\s*rel="?next\b/.exec(header('Link'));
      const next = link && whole && !request.torn && !/[?&]limit=/.test(list) && linked(link[1], list);
      if (!next || _.findWhere(pages, {url: next})) return done();
      const page = _.extend(_.omit(options, 'xhr', 'data'), {url: next, page: true});
      page.success = (...args) => this.follow(request, options, args[0], reader(page, args), next, done);
      this.limit(request, collection.sync('read', collection, page));
    }
    // What has waited for the stream goes on when that is there, or can't get there.
    reached(all, only) {
      const ripe = this.waiting.filter((one) => all || one === only || !older(this.position, one.until));
      this.waiting = _.difference(this.waiting, ripe);
      _.invoke(_.sortBy(ripe, (one) => !one.messages), 'run');
    }
    // Backbone is about to `set` or `reset` a list. Rows go by rule; only a whole one removes, and nothing newer than it.
    reconcile(resp, options, request, reset) {
      const {collection, held, hidden} = this, {label, whole, pages, messages = []} = request, {parse} = options;
      const batch = new Batch(this), list = batch.list = _.extend([], {whole}), asked = this.tells(request), holds = this.holds(asked), own = new Map();
      reads.delete(options);
      if (request.useless) return collection.models;
      if (whole) for (const one of this.lost(request)) one.version = null;
      pages.forEach((page, index) => {
        const body = index ? page.body : resp, rows = parse ? collection.parse(body, options) || [] : body;
        const seq = this.signal ? later(page.seq, page.until) : page.seq;
        for (const one of _.isArray(rows) ? rows : [rows]) {
          const row = collection._isModel(one) ? one.attributes : one, id = collection.modelId(row);
          const key = id == null ? _.uniqueId('row') : String(id);
          const unknown = id != null && !collection.get(id) && !hidden.has(key) && !this.buried(key, seq);
          list.push(key);
          if (request.outdated.has(key)) continue;
          if (request.made && !hidden.has(key)) own.set(key, {method: 'PUT', body: row, seq});
          if (!unknown || !holds) batch.state(id == null ? key : id, row, seq, parse, true);
          else if (!older(seq, (held.get(key) || {}).seq)) held.set(key, {body: row, seq, parse});
        }
      });
      const listed = new Set([...list, ...request.outdated]), lacks = (id, model) => whole && !listed.has(String(id)) && !older(label, versionOf(model));
      for (const [key, {seq}] of held) if (whole && !listed.has(key) && (this.signal || !older(label, seq))) held.delete(key);
      for (const [key, one] of hidden) if (lacks(key, one.model)) lose(one.model, label);
      for (const model of whole && options.remove !== false ? collection.models : []) {
        if (model.isNew() || listed.has(String(model.id)) || !known(model) && stateOf(model).saves.length) continue;
        if (lacks(model.id, model) && stateOf(model).stamp <= request.stamp) batch.gone.add(model);
        else if (this.signal) this.needed = true;
      }
      for (const [origin, members] of _.pairs(request.made || {})) {
        const row = own.get(String(collection.modelId(members)));
        if (row) this.origin(_.extend({origin}, row), batch, true);
      }
      for (const data of messages) older(label, data.seq) ? this.apply(data, batch) : this.origin(data, batch, true);
      this.release(batch, asked);
      batch.commit(options, reset);
      return collection.models;
    }
    // Creates that show without an id, as their answers have not come, or are lost. A list is asked which of its rows they are.
    shows({model}) { return this.collection.get(model.cid) === model; }
    doubts() { return this.stream && this.stream.legacy ? null : [...this.creates.values()].filter((one) => one.model.id == null && this.shows(one)); }
    // Of which creates a list tells whether they are there: those that it was asked about (`Live-Created`); null: of none.
    tells({asked, made}) { return asked && (made || !asked.length) ? asked : null; }
    // Unknown rows of a read wait for unanswered creates. Where it tells of those that it was asked about, for all that show, but for these.
    holds(asked, doubts = asked ? this.doubts() : []) {
      return [...this.creates.values()].some((one) => (one.pending || doubts.includes(one)) && !(asked || []).includes(one));
    }
    isUnknown(id, batch) { return !batch.find(id) && !batch.fresh.has(String(id)) && !this.hidden.has(String(id)); }
    // Of what was made before the stream began, a list tells whose it is.
    hold(id, {body, seq}, batch) {
      this.held.set(String(id), {body, seq, parse: true});
      if (batch) this.release(batch);
    }
    release(open, asked) {
      const batch = open || new Batch(this), {held} = this;
      if (!held.size || this.holds()) return;
      const doubts = this.doubts() || [], isLate = asked && !_.difference(doubts, asked).length;
      if (doubts.length) return void (isLate ? this.needed = true : this.unread(true));
      this.held = new Map();
      for (const {body, seq, parse} of held.values()) batch.state(this.collection.modelId(body), body, seq, parse, true);
      if (!open) batch.commit({});
    }

    // ## Own requests
    // Each request is noted as it leaves; its callbacks are wrapped, so that Backbone sees by rule what came.
    request(method, model, options) {
      const listener = this, list = model === this.collection, kind = list ? 'list' : method === 'delete' ? 'destroy' : 'save';
      const request = {list, method, model, id: model.id, stamp: ++clock, era: this.era, at: this.position, outdated: new Set()};
      const wrap = (callback = _.noop, failed) => function(...args) {
        const header = reader(options, args), seq = header('Live-Seq');
        Object.assign(request, {header, seq, label: seq || request.at, failed: failed && (args[0] && args[0].status || -1)});
        if (seq && !(request.stamp < listener.told.stamp)) listener.told = _.pick(request, 'seq', 'stamp');
        if (listener.stream) listener.stream.flush();
        listener.settle(request);
        const proceed = (attrs) => (attrs ? deliver(model, attrs, options, callback, this, args) : callback.apply(this, args));
        try { listener[kind](request, !failed && args[0], options, proceed); } finally { if (!list) listener.end(request); }
      };
      request.ours = !!options.reread;
      request.whole = !!options.reread || options.data == null && options.url == null;
      const asked = request.asked = list && options.url == null ? this.doubts() : null;
      if (!_.isEmpty(asked)) options.headers = _.extend({'Live-Origin': _.pluck(asked, 'origin').slice(-MOST_ASKED).join(', ')}, options.headers);
      if (!list && request.whole) this.address(model, options);
      if (kind === 'destroy') this.hide(request, options);
      if (kind === 'save') this.sends(request, options);
      if (this.link && this.link.withCredentials) options.xhrFields = _.extend({withCredentials: true}, options.xhrFields);
      _.extend(options, {success: wrap(options.success), error: wrap(options.error, true)});
      this.requests.add(request);
      return request;
    }
    // A collection's query is no part of its models' URLs; a model that its first collection has left has our URL.
    address(model, options) {
      const url = model.url === Backbone.Model.prototype.url && !model.urlRoot && _.result(this.collection, 'url');
      if (!url || model.collection && !/\?/.test(url)) return;
      options.url = url.replace(/\/?(\?.*)?$/, '') + (model.isNew() ? '' : `/${encodeURIComponent(model.id)}`);
    }
    // It is answered: what it has sent is protected no more.
    settle({model, save, create}) {
      if (save) stateOf(model).saves = _.without(stateOf(model).saves, save);
      if (create) create.pending = false;
    }
    end(request) {
      clearTimeout(request.timer);
      this.settle(request);
      this.requests.delete(request);
      if (!request.list && !request.failed && !request.seq) this.outdate(String(request.model.id));
      if (!request.list && request.stamp < this.rejoined) this.doubt();
      this.forgetTombs();
      this.update();
    }
    // Whether an answer is of our era and our log; and whether it is of one that a later request was told to be over.
    counts(one, label) { return one.era === this.era && !foreign(label, this.position) && !older(label, this.base) && !this.past(one, label); }
    past({stamp}, label) { return stamp < this.told.stamp && foreign(label, this.told.seq); }
    // A PUT sends what differs from what is known or an earlier save makes, a PATCH its body, a POST all, with an origin.
    sends(request, options) {
      const {model, method} = request, {attrs} = options, before = mine(model), base = method === 'update' && known(model);
      const body = method === 'read' ? {} : attrs || _.pick(model.attributes, _.keys(model.toJSON(options)));
      const same = (name) => base && !before[name] && _.has(base, name) === _.has(body, name) && _.isEqual(base[name], body[name]);
      const names = _.reject(_.keys(Object.assign({}, !attrs && base, body)), same), sent = _.object(names, names);
      request.save = {sent, values: _.pick(body, names), wait: options.wait && method !== 'create'};
      stateOf(model).saves.push(request.save);
      if (method !== 'create') return;
      const lost = [...this.creates.values()].find((one) => one.model === model && !one.pending);
      const {origin} = request.create = _.extend(lost || {origin: token(), model, listener: this}, {pending: true, options});
      this.creates.set(origin, request.create);
      if (this.stream && this.stream.legacy) return;
      options.headers = _.extend({'Live-Origin': origin, 'Idempotency-Key': origin}, options.headers);
    }
    // The answer to a save, or to a model's read, is known if nothing newer is. Backbone gets what is to be shown.
    save(request, resp, options, proceed) {
      const {model, create, seq, save, label, method} = request, state = stateOf(model), body = _.isObject(resp) ? resp : null;
      if (request.failed) this.refuse(request);
      if (request.failed || method === 'read' && (!body || !request.whole)) {
        proceed();
        if (request.failed === 404 && (method === 'read' || known(model))) this.absent(request);
        else if (!create && !known(model) && !model.unsaved) this.unread(true);
      } else {
        const attrs = body && options.parse ? model.parse(_.clone(body), options) : body;
        const fate = create && body && this.on && this.created(request, body, label);
        const news = !fate && this.counts(request, label) && (label ? !older(label, state.version) : state.version == null);
        if (news && !seq) state.stamp = ++clock;
        if (news) learn(model, seq && body ? attrs : _.extend({}, known(model), body ? attrs : save.values), label);
        else stray(model, attrs);
        keep(model, _.omit(state.kept, _.keys(save.sent)));
        if (fate === 'gone') this.drop(model, label);
        state.barred = fate === 'gone' || fate === 'old';
        proceed(fate !== 'gone' && (body || known(model)) && _.extend(_.pick(attrs, model.idAttribute), view(model)));
        state.barred = false;
      }
      if (create) this.release();
    }
    // After a failure what it sent keeps the user's values, but for what `wait` has never shown. A lost create may come back.
    refuse({model, save, create, failed}) {
      const kept = _.clone(stateOf(model).kept), definite = failed >= 400 && failed < 500 && ![408, 425, 429].includes(failed);
      if (create) create.lost = create.lost || !definite;
      if (create && !create.lost) this.creates.delete(create.origin);
      const differs = (name) => !_.isEqual((known(model) || {})[name], model.attributes[name]);
      if (!save.wait) stray(model, save.sent);
      keep(model, _.extend(kept, !save.wait && _.pick(save.sent, _.keys(save.sent).filter(differs))), create && model.id == null);
      show(model);
    }
    // The answer to a create tells its id: perhaps another model's, or of what has gone since (by a tombstone, or a newer list).
    created(request, body, label) {
      const {model, create, seq} = request, {collection, floor} = this, batch = new Batch(this), at = this.latest(label);
      const id = collection.modelId(body), key = String(id), other = collection.get(id), hidden = this.hidden.get(key);
      const here = this.shows(create), counts = this.counts(request, label);
      if (id == null || model.id != null && model.id === request.id) return null;
      if (counts) this.creates.delete(create.origin);
      if (counts && model.id != null && model.id !== id) {
        batch.state(id, body, label, true);
        batch.commit({live: true, seq: at});
        return 'other';
      }
      const past = this.buried(key, label) || hidden && hidden.model !== model && !older(versionOf(hidden.model), label);
      if (!counts && past && (hidden || !this.tombs.get(key).doubt)) return 'gone';
      if (counts && (create.id != null || past)) return create.id == null ? 'gone' : here ? null : 'old';
      const twin = counts ? other || this.held.has(key) : other && here;
      if (counts && !twin) return seq && floor && !older(floor, seq) ? 'gone' : null;
      for (const home of twin ? homesOf(model) : []) new Batch(home).identify(create, id, at);
      if (twin && collection.get(id) !== model) batch.identify(create, id, at);
      this.needed = this.needed || !counts;
      if (!counts && floor) this.unread();
      return counts ? null : 'old';
    }
    // While a destroy is unanswered its document stays hidden, whatever comes. If it fails, the document is put back;
    // so it is if it has been made again since. Where it has gone meanwhile, it stays away; what is in doubt stays so.
    hide(request, {wait}) {
      const {model} = request, hide = (home) => home.hidden.set(String(model.id), {model, at: home.collection.indexOf(model)});
      Object.assign(request, {homes: homesOf(model), version: versionOf(model)});
      if (!wait) request.homes.forEach(hide);
    }
    destroy(request, resp, {wait}, proceed) {
      const {model, seq, failed, homes, label} = request, version = versionOf(model), key = String(request.id);
      const gone = !failed || failed === 404, counts = this.counts(request, seq), {doubt} = stateOf(model);
      const newer = counts ? label ? older(label, version) : version !== request.version : !doubt;
      const again = !gone || version != null && newer;
      const last = counts ? [label || request.version] : [older(version, label) ? label : version, doubt];
      for (const home of gone && (counts || !again) ? _.union(homes, homesOf(model)) : []) home.bury(key, ...last);
      for (const home of homes) {
        const found = home.hidden.get(key), hidden = !wait && found && found.model === model && found;
        if (hidden) home.hidden.delete(key);
        if (hidden && again && !stateOf(model).gone) home.putBack(hidden);
      }
      const stays = wait && !failed && again && !stateOf(model).gone ? homesOf(model) : [];
      proceed();
      if (wait && failed === 404) this.absent(request);
      for (const home of stays) home.putBack({model});
    }
    putBack({model, at}) {
      const {collection, hidden} = this, options = collection.comparator || at == null ? {} : {at}, key = String(model.id);
      const away = hidden.has(key) || this.buried(key, versionOf(model)) || collection.get(model.id);
      if (this.on && !away) collection.add(show(model), options);
    }
    // The server has no such document, unless it is of another log by now.
    absent(request) {
      const {model, label: seq} = request;
      if (!this.on || !seq || !this.counts(request, seq) || older(seq, versionOf(model))) return;
      this.bury(String(model.id), seq);
      this.drop(model, seq);
    }
    drop(model, seq, which = _.constant(true)) {
      for (const home of homesOf(model).filter(which)) home.collection.remove(model, {live: true, seq: home.latest(seq)});
    }
  }

  // ## Streams
  // A **stream** is one subscription of one client to one channel. It feeds all who listen there, from the earliest position.
  class Stream {
    constructor(link, channel) {
      Object.assign(this, {link, channel, legacy: !link.extended, listeners: [], items: [], last: null, confirmed: false});
    }
    leave(listener) {
      this.listeners = _.without(this.listeners, listener);
      if (!this.listeners.length) this.link.drop(this);
    }
    create(origin) { return this.listeners.reduce((found, {creates}) => found || creates.get(origin), null); }
    since() { return _.pluck(this.listeners, 'position').reduce((a, b) => (a == null || older(b, a) ? b : a), null); }
    resume() { if (!this.asking) this.link.subscribe(this); }
    // A new session goes on from the latest: if the log has gone back only that one shows it. Who is not there yet resumes.
    goesOn() { return this.isNew ? _.pluck(this.listeners, 'position').reduce(later, null) : this.since(); }
    // What arrives together is taken together, in the next microtask. What an error in a user's handler hid is read again.
    push(item) {
      if (item.data && item.data.seq != null && !older(item.data.seq, this.last)) this.last = item.data.seq;
      if (this.items.push(item) === 1) Promise.resolve().then(() => this.flush());
    }
    flush() {
      const items = this.items.splice(0);
      const failed = (listener, error) => [listener.unread(true), setTimeout(() => { throw error; })];
      const tell = (listener) => { try { listener.take(items); } catch (error) { failed(listener, error); } };
      if (items.length) this.listeners.slice().forEach(tell);
    }
    // The server's answer to a subscription that asked for `since`.
    answered({successful, error, failure, ext}, since) {
      const live = ext && ext.live, start = live ? !live.reset && since || live.seq : null, broken = !this.confirmed;
      Object.assign(this, {asking: false}, successful && {isNew: false, refused: null, legacy: !live, confirmed: true, known: true, last: start});
      if (!successful && !/^40[12]/.test(error) && !failure) this.refused = error || 'refused';
      this.link.expect();
      this.push(successful ? {reply: {start, reset: live && live.reset, broken}} : {refused: this.refused});
      if (!successful) _.invoke(this.listeners, 'update');
    }
    lost() {
      Object.assign(this, {confirmed: false, asking: false}).link.expect();
      for (const listener of this.listeners) Object.assign(listener, {missed: null}).update();
    }
  }

  // Others may tell of what a list shows, too. A **side** hears one: what comes there, or is missed, says "read again".
  class Side {
    constructor(listener, channel, position) {
      Object.assign(this, {listener, position, creates: new Map()});
      this.stream = listener.link.join(channel, this);
      this.take([{last: this.stream.last}]);
    }
    take(items) {
      if (items.filter((item) => this.isNews(item)).length) this.unread();
      this.update();
    }
    // A list that is asked for after a refusal may name it no more.
    isNews({reply = {}, last, data, refused}) {
      const {position} = this, seq = reply.start || last || data && data.seq;
      const isAfter = seq && (reply.reset || foreign(seq, position) || older(position, seq));
      if (isAfter) this.position = seq;
      return isAfter || refused;
    }
    unread() { this.listener.unread(true); }
    update() { this.listener.update(); }
  }

  // Seconds that an answer may take: usually, at most, and by each connection kept when a page woke. It slept if it stirred so long ago.
  const MOST_ASKED = 20, TIMEOUT = 30, LONGEST = 300, AWAKE = 3, KEPT = 6, PULSE = 2000, ASLEEP = 15000;

  // A **link** is what we add to one Bayeux client, from its first stream to its last: an extension that puts our positions
  // into its handshakes, connects and subscriptions, also into those that it sends by itself, and hears the answers.
  class Link {
    constructor(client) {
      const cometd = !client.addExtension && !!client.registerExtension;
      const outgoing = (message, next = _.noop) => { this.outgoing(message, () => next(message)); return message; };
      const incoming = (message, next = _.noop) => { next(this.incoming(message) ? message : null); return message; };
      Object.assign(this, {client, cometd, extended: cometd || !!client.addExtension, extension: {outgoing, incoming}});
      Object.assign(this, {streams: new Map(), asked: new Map(), timeout: TIMEOUT});
      this.down = () => { this.hangUp(true); this.lost(); this.resume(); };
      this.handlers = {offline: () => this.lost(), online: () => this.woke(), resume: () => this.woke(), visibilitychange: () => this.stir()};
    }
    open(on) {
      const {client, cometd, extension} = this, verb = on ? 'add' : 'remove';
      if (!!this.opened === on || !on && (this.kept || this.streams.size)) return;
      Object.assign(this, {opened: on, asked: new Map()});
      const {document} = root, events = {offline: root, online: root, resume: document, visibilitychange: document};
      _.each(events, (target, name) => target && target.addEventListener && target[`${verb}EventListener`](name, this.handlers[name]));
      clearInterval(this.pulse);
      if (on && document) Object.assign(this, {stirred: Date.now(), pulse: setInterval(() => this.stir(), PULSE)});
      if (!cometd && client.addExtension) client[`${verb}Extension`](extension);
      if (!cometd && client.bind) client[on ? 'bind' : 'unbind']('transport:down', this.down, this);
      if (cometd) client[on ? 'registerExtension' : 'unregisterExtension']('live', extension);
      if (!cometd || !on) return _.each(this.heard, (handle) => client.removeListener(handle));
      // As shipped, its client waits for ever for a socket that is being opened. The timers that it has it keeps.
      const limit = ({url}) => ({connectTimeout: this.timeout * 1000, ...(url && {useWorkerScheduler: false})});
      attempt(() => client.getConfiguration().connectTimeout || client.configure(limit(client.getConfiguration())));
      this.heard = [client.addListener('/meta/connect', ({successful}) => (successful ? this.resume(true) : this.lost())),
        client.addListener('/meta/handshake', ({successful}) => successful && this.resume()),
        client.addListener('/meta/subscribe', ({failure, subscription}) => failure && this.lost(subscription))];
    }
    join(channel, listener) {
      const before = this.streams.get(channel), stream = before || new Stream(this, channel);
      stream.listeners.push(listener);
      this.streams.set(channel, stream);
      this.open(true);
      if (!before) this.subscribe(stream);
      return stream;
    }
    drop(stream) {
      this.streams.delete(stream.channel);
      this.unsubscribe(stream);
      this.expect();
      this.open(false);
    }
    // Subscribe, also to be set back: Faye's client does so again if told `true`, CometD's if it holds no listener.
    subscribe(stream) {
      const {client, cometd, extended} = this, {channel, subscription} = stream;
      if (!(stream.asking = !this.disconnected())) return;
      this.expect();
      if (subscription && client._receiveMessage) return void client.subscribe(channel, true);
      if (subscription && cometd) client.removeListener(subscription);
      else this.unsubscribe(stream);
      const made = stream.subscription = client.subscribe(channel, (message) => stream.push({data: cometd ? message.data : message}));
      if (extended || !made || !made.then) return;
      made.then(() => stream.answered({successful: true}), (error) => stream.answered({error: String(error)}));
    }
    // Faye can't cancel a subscription that it has not sent yet: such a one goes when it is answered.
    unsubscribe(stream) {
      const {subscription} = stream, cancel = () => subscription.cancel();
      stream.subscription = null;
      if (subscription && this.cometd) this.disconnected() || this.client.unsubscribe(subscription);
      else if (subscription && this.client._receiveMessage && !stream.known) subscription.then(cancel, _.noop);
      else if (subscription && subscription.cancel) cancel();
    }
    disconnected() { return this.cometd && !!this.client.isDisconnected && this.client.isDisconnected(); }
    // The way to the server is cut. A session may outlive its socket, and then nobody would tell that we are heard: ask.
    lost(channel) { this.streams.forEach((stream, name) => { if (!channel || channel === name) stream.lost(); }); }
    resume(unheard) { this.streams.forEach((one) => { if (!unheard || !one.confirmed && !one.refused) one.resume(); }); }
    // What is asked is answered in time, or the line is dead without a word: then it is given up, and so is the next, later.
    expect(soon) {
      const waits = [...this.streams.values()].some((one) => one.asking || !one.confirmed && !one.refused);
      if (soon || !waits) Object.assign(this, {deadline: clearTimeout(this.deadline), patience: soon, spared: soon ? KEPT : 0});
      if (!waits || this.deadline) return;
      const seconds = this.patience || this.timeout;
      this.deadline = within(seconds, () => {
        Object.assign(this, {deadline: null, patience: this.spared-- > 1 ? seconds : Math.min(2 * seconds, LONGEST)});
        this.hangUp();
        this.expect();
      });
    }
    // Have Faye's client make another line. It would wait for an answer to its goodbye on a socket, and too long over HTTP.
    hangUp(aborted) {
      const dispatcher = this.client._dispatcher, transport = dispatcher && dispatcher._transport;
      const socket = transport && (transport._socket || !aborted && transport._made);
      if (socket && socket.onclose) {
        attempt(() => socket.close());
        if (socket.onclose) socket.onclose();
      } else if (transport && !transport._createSocket && !aborted) {
        this.renew();
        for (const {message} of [...dispatcher._envelopes.values()]) dispatcher.handleError(message);
      }
    }
    // An event stream that died stays open for ever. Open another, and ask when it is there: before, the dead one is told.
    renew({_transport: transport} = this.client._dispatcher || {}) {
      const stream = transport && transport._socket, {EventSource} = root;
      if (!EventSource || !(stream instanceof EventSource)) return false;
      const fresh = transport._socket = Object.assign(new EventSource(stream.url), _.pick(stream, 'onopen', 'onerror', 'onmessage'));
      fresh.addEventListener('open', () => [this.lost(), this.resume()], {once: true});
      Object.assign(stream, {onopen: null, onerror: null, onmessage: null}).close();
      return true;
    }
    // The page was asleep, or out of sight for a while: whether its line still leads anywhere nobody has told.
    woke() {
      this.lost();
      if (!this.renew()) this.resume();
      this.expect(Math.min(AWAKE, this.timeout));
    }
    stir() {
      if (root.document.hidden) return;
      const slept = Date.now() - this.stirred > ASLEEP;
      this.stirred = Date.now();
      if (slept) this.woke();
    }
    // A socket that is being opened is known to nobody but Faye's transport: keep it.
    keep({_transport: transport} = {}) {
      const make = transport && !_.has(transport, '_createSocket') && transport._createSocket;
      if (make) transport._createSocket = () => (transport._made = make.call(transport));
    }
    // What the client sends. It goes on when a token that is awaited has come.
    outgoing(message, next) {
      const {channel, subscription, id} = message, stream = this.streams.get(subscription), positions = {};
      const say = (live) => { message.ext = _.extend({}, message.ext, {live}); };
      if (channel === '/meta/handshake') {
        say({version: 1});
        const put = (value) => { if (value != null && !value.then) message.ext.token = value; };
        const value = _.isFunction(this.token) ? attempt(this.token) : this.token;
        if (value && value.then && !this.cometd) return void value.then(put, _.noop).then(next);
        put(value);
      } else if (channel === '/meta/subscribe' && stream) {
        const since = stream.goesOn();
        this.asked.set(id, since);
        say(since ? {since} : {});
      } else if (channel === '/meta/connect') {
        this.keep(this.client._dispatcher);
        this.streams.forEach((one, name) => { if (one.since()) positions[name] = one.since(); });
        if (!_.isEmpty(positions)) say({at: positions});
      }
      next();
    }
    // What the server says. Whether the client is to hear it: Faye's forgets a subscription that failed with its session. A first list
    // that left in a session before may be of a log that is no more.
    incoming(message) {
      const {channel, subscription, id, clientId, successful, error} = message, stream = this.streams.get(subscription);
      const live = message.ext && message.ext.live || {}, isLate = clientId && this.session && clientId !== this.session;
      if (channel === '/meta/handshake' && successful) {
        const suspects = this.session || this.asked.size ? _.flatten(_.pluck([...this.streams.values()], 'listeners')) : [];
        for (const one of suspects) if (one.position == null) one.rejoined = ++clock;
        Object.assign(this, {session: clientId, asked: new Map(), stale: live.error || null});
        this.streams.forEach((one) => { one.isNew = true; });
        this.lost();
      } else if (channel === '/meta/subscribe' && stream) {
        if (!isLate) stream.answered(message, this.asked.get(id));
        this.asked.delete(id);
        return successful || !/^401/.test(error);
      } else if (channel === '/meta/connect' && live.last) {
        this.streams.forEach((one, name) => { if (live.last[name]) one.push({last: live.last[name]}); });
      }
      return true;
    }
  }

  // A limit of time. In Node it does not keep a program that has nothing else to do.
  const within = (seconds, act) => {
    const timer = setTimeout(act, seconds * 1000);
    if (timer && timer.unref) timer.unref();
    return timer;
  };
  const attempt = (callback) => { try { return callback(); } catch (error) { return null; } };
  // The client: of the options, else on the prototype chain, else of the nearest ancestor that is connected; `extend` copies.
  const links = new WeakMap(), connections = new WeakMap();
  const linkOf = (client) => links.get(client) || links.set(client, new Link(client)).get(client);
  const ancestors = (object) => (object ? [object, ...ancestors(Object.getPrototypeOf(object))] : []);
  const findLink = (collection, {client = collection.client}) => (client ? linkOf(client)
    : ancestors(collection).map((one) => _.has(one, 'constructor') && connections.get(one.constructor)).find(Boolean));

  // A link is relative to the list that bears it, not to the document that shows it.
  const linked = (link, list) => (link[0] === '?' ? list.replace(/[?#].*$/, '') + link
    : attempt(() => new URL(link, new URL(list, root.location && root.location.href)).href) || link);

  // The channel of a URL, until the server names it: its path, in which what Bayeux does not allow is written `~XX`.
  const guess = (url) => {
    if (!url) return null;
    let path = String(url).replace(/[?#].*$/, '').replace(/^([a-z][a-z0-9+.-]*:)?\/\/[^\/]*/i, '');
    if (path[0] !== '/') path = root.location && root.location.href ? new URL(path, root.location.href).pathname : `/${path}`;
    const hex = (byte) => `~${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    const coded = (character) => [...new TextEncoder().encode(character)].map(hex).join('');
    const part = (text) => (attempt(() => decodeURIComponent(text)) || text).replace(/[^A-Za-z0-9\-_!~()$@]/gu, coded);
    return path.replace(/\/+$/, '').split('/').map(part).join('/');
  };

  // ## LiveCollection
  // The answer that Backbone is about to `set`, by the options of its read.
  const reads = new WeakMap(), Collection = Backbone.Collection.prototype;
  // Options: `live: false` for a plain collection, `client`, `channel`, `seq` with bootstrapped rows, `fetch: false`.
  const LiveCollection = Backbone.Collection.extend({
    // One of `off connecting live stale refused`; each change is an event `live`, with the collection and the state.
    live: 'off',
    constructor: function(models, options) {
      this._waiting = [];
      hook(this);
      Backbone.Collection.apply(this, arguments);
      const listener = this._listener = new Listener(this, _.pick(options || {}, 'live', 'client', 'channel', 'seq', 'fetch'));
      if (listener.on) Promise.resolve().then(() => { if (this._listener === listener) listener.start(); });
    },
    // Begin to listen; a live collection does so by itself on the microtask after its construction.
    listen() {
      const {on, options, creates} = this._listener;
      if (on) return this;
      this.each((model) => { stateOf(model).version = null; });
      const listener = this._listener = _.extend(new Listener(this, _.omit(options, 'seq', 'live')), {creates});
      for (const create of creates.values()) create.listener = listener;
      listener.start();
      return this;
    },
    // Stop, and keep nothing: no subscription, no listener, no timer.
    unlisten() { return this._listener.stop(); },
    // A promise of the collection, when the server has confirmed and the read has been joined; rejected where refused.
    whenLive() {
      return new Promise((resolve, reject) => (this.live === 'live' ? resolve(this) : this._waiting.push({resolve, reject})));
    },
    set(models, options) {
      const request = reads.get(options);
      if (request) return this._listener.reconcile(models, options, request);
      return states.has(models) && stateOf(models).barred ? models : Collection.set.apply(this, arguments);
    },
    reset(models, options) {
      const request = reads.get(options);
      return request ? this._listener.reconcile(models, options, request, true) : Collection.reset.apply(this, arguments);
    },
    clone() { return new this.constructor(this.models, {model: this.model, comparator: this.comparator, live: false}); },
    // A model knows its homes.
    _prepareModel() {
      const model = Collection._prepareModel.apply(this, arguments);
      return model && hook(model);
    },
    _addReference(model) {
      stateOf(hook(model)).homes.add(this);
      Collection._addReference.apply(this, arguments);
    },
    _removeReference(model) {
      stateOf(model).homes.delete(this);
      Collection._removeReference.apply(this, arguments);
    }
  }, {
    // Connect this class, and those below it without a connection of their own, by the URL of a Bayeux endpoint, for which
    // Faye is needed, or by a client. Options: `token`, a value or a function of one (or of a promise of one), asked at each
    // handshake; `withCredentials`; `timeout`, seconds that what it asks by itself may be unanswered. Returns the client.
    connect(urlOrClient, options) {
      const Faye = _.isString(urlOrClient) ? findFaye() : null;
      if (_.isString(urlOrClient) && !Faye) throw new Error('LiveCollection.connect: a URL needs Faye, and none could be loaded; or give it a client');
      const client = Faye ? new Faye.Client(urlOrClient, {retry: 1}) : urlOrClient, link = linkOf(client);
      _.extend(link, _.pick(options || {}, 'token', 'withCredentials', 'timeout'), {kept: !!(options && options.token)});
      if (link.kept) link.open(true);
      connections.set(this, link);
      return client;
    }
  });

  // `require` gives the class itself; it bears the names that others take.
  _.each({LiveCollection, VERSION: '0.1.0'}, (value, name) => Object.defineProperty(LiveCollection, name, {value}));
  return LiveCollection;
});
