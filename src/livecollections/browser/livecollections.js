//     livecollections.js 0.1.0

//     Distributed under the MIT license, as Backbone is.
//     A `LiveCollection` is a Backbone.Collection that stays equal to the
//     server's: REST goes up, Bayeux (Faye or CometD) comes down.

(function(factory) {

  var root = typeof globalThis === 'object' ? globalThis : self;
  var global = function() { return root.Faye; };

  // Set up for AMD first, then for Node.js, CommonJS and bundlers. Faye is
  // asked for only when `connect` is given a URL.
  if (typeof define === 'function' && define.amd) {
    define(['backbone', 'underscore', 'exports'], function(Backbone, _, exports) {
      return factory(root, exports, Backbone, _, global);
    });
  } else if (typeof exports !== 'undefined') {
    module.exports = factory(root, exports, require('backbone'), require('underscore'), function() {
      try { return root.Faye || require('faye'); } catch (error) { return void 0; }
    });

  // Finally, as a browser global. The factory is left under a symbol, where
  // `livecollections.mjs` finds it when it has imported Backbone itself.
  } else {
    root[Symbol.for('livecollections')] = factory;
    if (root.Backbone) root.LiveCollection = factory(root, {}, root.Backbone, root._, global);
  }

})(function(root, exports, Backbone, _, faye) {

  // Seqs
  // ----

  // A **seq** is a change's place in the server's log: a string of fixed
  // width whose first eight characters name the log. Seqs of different logs
  // are never compared: of two such, neither is older.
  var sameLog = function(a, b) { return a.slice(0, 8) === b.slice(0, 8); };
  var older = function(a, b) { return a != null && b != null && sameLog(a, b) && a < b; };

  // Counts requests and tombstones, so that one can say which came first.
  var clock = 0;

  // A token by which a create is known again when it comes back as a push.
  var token = function() {
    var text = '';
    while (text.length < 24) text += Math.random().toString(36).slice(2);
    return text.slice(0, 24);
  };

  // What a server knows of a model
  // ------------------------------

  // Each model *object* has one state, for all collections that hold it:
  // `known` is the newest server state whole, `version` its seq, `saves` are
  // the saves still unanswered, `kept` the attributes of failed ones, `stray`
  // the attributes that the server may have had and has no more.
  var states = new WeakMap();
  var stateOf = function(model) {
    var state = states.get(model);
    if (!state) {
      state = {version: null, body: null, known: null, saves: [], kept: {}, stray: {}, homes: new Set(), stamp: 0};
      states.set(model, state);
    }
    return state;
  };

  // The known attributes, parsed when first needed.
  var known = function(model) {
    var state = stateOf(model);
    if (state.body && !state.known) state.known = model.parse(_.clone(state.body), {parse: true}) || {};
    return state.known;
  };

  // Take a newer state as known. What a failed save had kept gives way to it.
  // `attrs` is given where the body needs no parsing.
  var learn = function(model, body, seq, attrs) {
    var state = stateOf(model);
    _.each(known(model), function(value, name) { state.stray[name] = true; });
    if (seq == null || seq !== state.version) keep(model, {});
    state.body = attrs ? null : body;
    state.known = attrs || null;
    state.version = seq == null ? null : seq;
  };

  // An old state still tells which attributes are the server's.
  var recall = function(model, body) {
    var attrs = body && model.parse(_.clone(body), {parse: true});
    _.each(attrs, function(value, name) { stateOf(model).stray[name] = true; });
  };

  // A model reports itself `unsaved` while attributes of a failed save are
  // kept in it, or while the create that should have given its id has failed.
  var keep = function(model, names, created) {
    stateOf(model).kept = names;
    var unsaved = !!created || !_.isEmpty(names);
    if (unsaved || model.unsaved) model.unsaved = unsaved;
  };

  // The attributes that an unanswered or failed save has sent show what the
  // user put there, whatever the server says.
  var mine = function(model) {
    var state = stateOf(model);
    return _.reduce(state.saves, function(names, save) { return _.extend(names, save.sent); }, _.clone(state.kept));
  };

  // What `set` is to be given so that the model shows what is known of it:
  // the known state, `undefined` for what has vanished from it, and the
  // user's own values where they are protected. Local attributes stay.
  var view = function(model) {
    var state = stateOf(model);
    var attrs = _.clone(known(model)) || {};
    if (state.known) _.each(state.stray, function(yes, name) { if (!_.has(attrs, name)) attrs[name] = void 0; });
    _.each(mine(model), function(yes, name) { attrs[name] = model.attributes[name]; });
    return attrs;
  };

  // `set` has announced the vanished attributes as `undefined`; now drop them.
  var prune = function(model) {
    var state = stateOf(model), own = mine(model);
    _.each(_.extend({}, own, state.stray), function(yes, name) {
      if (!own[name] && state.known) delete state.stray[name];
      if (model.attributes[name] === void 0) delete model.attributes[name];
    });
  };

  var show = function(model, options) {
    if (!known(model)) return;
    model.set(view(model), _.extend({seq: stateOf(model).version}, options));
    prune(model);
  };

  // Hand an answer to Backbone's own callback, which will ask `parse` what to
  // `set`. User callbacks still get the response itself.
  var deliver = function(model, attrs, options, callback, context, args) {
    if (!options.parse) {
      callback.apply(context, [attrs].concat(_.rest(args)));
    } else {
      var own = _.has(model, 'parse') ? model.parse : null;
      var restore = function() { if (own) model.parse = own; else delete model.parse; };
      model.parse = function() { restore(); return attrs; };
      try { callback.apply(context, args); } finally { if (_.has(model, 'parse')) restore(); }
    }
    prune(model);
  };

  // Requests
  // --------

  // Models and collections are hooked where Backbone lets anybody hook them,
  // at `sync`, each object by itself, so that classes and globals stay as
  // they are. Whatever `sync` the object would have used is called.
  var hooks = new WeakMap();
  var hook = function(object) {
    var before = _.has(object, 'sync') ? object.sync : null;
    if (before && hooks.get(object) === before) return;
    var sync = function(method, model, options) {
      var inner = before || Object.getPrototypeOf(object).sync;
      var home = object instanceof Backbone.Collection ? object : object.collection;
      var listener = home && home._listener;
      if (model !== object || !listener || !listener.on || options && options.page) return inner.apply(this, arguments);
      options || (options = {});
      var request = listener.request(method, model, options);
      try { return inner.call(this, method, model, options); } catch (error) { listener.end(request); throw error; }
    };
    hooks.set(object, sync);
    Object.defineProperty(object, 'sync', {value: sync, writable: true, configurable: true, enumerable: false});
  };

  // Read a header of the answer, where `Backbone.ajax` gives a way to.
  var reader = function(options, args) {
    var xhr = _.find([args[2], args[0], options.xhr], function(value) {
      return value && (_.isFunction(value.getResponseHeader) || value.headers && _.isFunction(value.headers.get));
    });
    return function(name) {
      if (!xhr) return null;
      return (xhr.getResponseHeader ? xhr.getResponseHeader(name) : xhr.headers.get(name)) || null;
    };
  };

  // Batches
  // -------

  // What came together is shown together. A batch takes states and deletions
  // in their order, learns them at once, and then makes one `set` of them.
  var Batch = function(listener) {
    this.listener = listener;
    this.collection = listener.collection;
    this.shown = new Set();     // models whose known state is to be shown
    this.gone = new Set();      // models to be removed
    this.fresh = new Map();     // id → a document that no model stands for yet
    this.named = new Map();     // model → the id that it is to get
    this.byName = new Map();
    this.adopted = new Map();   // id → a create whose model is not in the collection yet
    this.list = null;           // the ids of a list, in its order
  };

  _.extend(Batch.prototype, {

    // A state of the document `id`. Of a list, a state as new as the known one
    // is shown too, and so is the known one where the list's is older: that is
    // what a `fetch` is for.
    state: function(id, body, seq, parse, listed) {
      var key = String(id), listener = this.listener, hidden = listener.hidden.get(key);
      var adopted = this.adopted.get(key);
      var model = this.find(id) || hidden && hidden.model || adopted && adopted.model;
      if (model) {
        var version = stateOf(model).version;
        var newer = !older(seq, version) && (listed || seq == null || seq !== version);
        if (newer) learn(model, body, seq, parse ? null : body);
        if ((!newer && !listed) || hidden || adopted) return;
        this.gone.delete(model);
        this.shown.add(model);
      } else if (!listener.buried(key, seq) && !older(seq, listed && listener.floor)) {
        var before = this.fresh.get(key), held = listener.held.get(key);
        if (held && !older(seq, held.seq)) listener.held.delete(key);
        if (!before || !older(seq, before.seq)) this.fresh.set(key, {body: body, seq: seq, parse: parse});
      }
    },

    // The document is gone. Of what is not known a tombstone stays.
    remove: function(id, seq) {
      var key = String(id), listener = this.listener, model = this.find(id);
      var hidden = listener.hidden.get(key), held = listener.held.get(key);
      listener.bury(key, seq);
      this.fresh.delete(key);
      this.adopted.delete(key);
      if (held && !older(seq, held.seq)) listener.held.delete(key);
      if (hidden && !older(seq, stateOf(hidden.model).version)) listener.hidden.delete(key);
      if (!model || older(seq, stateOf(model).version)) return;
      stateOf(model).version = seq;
      this.shown.delete(model);
      this.gone.add(model);
      // Another collection may hold this very model, and have read past this.
      stateOf(model).homes.forEach(function(home) {
        var other = home._listener;
        if (other && other !== listener && !older(other.position, seq)) home.remove(model, {live: true, seq: other.latest(seq)});
      });
    },

    // The document `id` *is* this created model. Another object that stands
    // for it goes; what was known of that one is not lost.
    identify: function(create, id, options) {
      create.id = id;
      var model = create.model, collection = this.collection, other = this.find(id), held = this.listener.held.get(String(id));
      if (held) {
        this.listener.held.delete(String(id));
        if (!older(held.seq, stateOf(model).version)) learn(model, held.body, held.seq, held.parse ? null : held.body);
      }
      if (other && other !== model) {
        var state = stateOf(other);
        options = _.extend({}, options, older(options.seq, state.version) && {seq: state.version});
        if (known(other) && !older(state.version, stateOf(model).version)) learn(model, null, state.version, state.known);
        this.shown.delete(other);
        this.byName.delete(String(id));
        collection.remove(other, options);
      }
      this.named.set(model, id);
      if (collection.get(model.cid) !== model) return this.adopted.set(String(id), create);
      this.byName.set(String(id), model);
      this.shown.add(model);
    },

    find: function(id) {
      return this.collection.get(id) || this.byName.get(String(id));
    },

    // What `set` is given for a model that is to be shown.
    attributes: function(model) {
      var attrs = view(model), name = model.idAttribute;
      if (this.named.has(model)) attrs[name] = this.named.get(model);
      else if (attrs[name] == null && model.id != null) attrs[name] = model.id;
      return attrs;
    },

    make: function(key, options) {
      var fresh = this.fresh.get(key);
      this.fresh.delete(key);
      var model = this.collection._prepareModel(fresh.body, _.extend({}, options, {parse: fresh.parse}));
      if (model) learn(model, fresh.body, fresh.seq, fresh.parse ? null : fresh.body);
      return model;
    },

    // For `reset`: as Backbone does, another object for each document, but
    // where a save of the old one is unanswered or has failed.
    remake: function(model, options) {
      var attrs = this.attributes(model), state = stateOf(model);
      if (state.saves.length || model.unsaved) return model.set(attrs, options);
      var other = this.collection._prepareModel(attrs, _.extend({}, options, {parse: false}));
      if (other) learn(other, null, state.version, state.known);
      return other;
    },

    commit: function(options, reset) {
      var batch = this, collection = this.collection, entries = [], listed = new Set();
      if (!this.list && !this.shown.size && !this.gone.size && !this.fresh.size && !this.adopted.size) return;
      var setting = _.extend({}, options, {parse: false});
      var present = function(model) {
        listed.add(model);
        if (!batch.shown.has(model)) return model;
        return reset ? batch.remake(model, options) : batch.attributes(model);
      };

      this.named.forEach(function(id, model) {
        if (batch.shown.has(model)) collection._byId[id] = model;
      });

      // A list comes in its order, then what it lacks and stays. Where only
      // pushes came and nothing goes, Backbone need not look at the others.
      _.each(this.list, function(key) {
        var model = collection.get(key);
        if (model && !batch.gone.has(model)) entries.push(present(model));
        else if (batch.fresh.has(key)) entries.push(batch.make(key, options));
      });
      var whole = this.gone.size || this.list && this.list.whole || reset;
      if (whole) {
        entries = _.reduce(collection.models, function(all, model) {
          if (!batch.gone.has(model) && !listed.has(model)) all.push(present(model));
          return all;
        }, entries);
      } else {
        setting.remove = false;
        this.shown.forEach(function(model) { if (!listed.has(model)) entries.push(present(model)); });
      }
      _.each(Array.from(this.fresh.keys()), function(key) { entries.push(batch.make(key, options)); });
      entries = _.compact(entries);

      if (reset) collection.reset(entries, setting);
      else if (entries.length || this.list || this.gone.size) collection.set(entries, setting);
      this.named.forEach(function(id, model) {
        if (batch.gone.has(model) && collection._byId[id] === model) delete collection._byId[id];
      });
      this.shown.forEach(prune);
      this.adopted.forEach(function(create) {
        create.model.set(batch.attributes(create.model), setting);
        prune(create.model);
        collection.add(create.model, _.extend(_.pick(create.options, 'at'), options));
      });
    }

  });

  // Listeners
  // ---------

  // A **listener** is what makes one collection live, from `listen` to
  // `unlisten`. It keeps the collection's `position` (up to where it has
  // everything), `from` (where its stream began), the `floor` (the seq of its
  // last whole list) and the tombstones. `era` counts resets: answers to
  // requests of an earlier era only tell ids.
  var Listener = function(collection, options) {
    this.collection = collection;
    this.options = options;
    this.on = true;
    this.era = 0;
    this.position = this.from = this.floor = this.top = null;
    this.tombs = new Map();     // id → {seq, stamp}
    this.hidden = new Map();    // id → {model, index}: destroys that are unanswered
    this.held = new Map();      // id → {body, seq, parse}: rows that wait for creates
    this.waited = new Set();    // the creates for which they wait
    this.creates = new Map();   // origin → {model, options, pending}
    this.requests = new Set();
    this.later = [];            // answers that wait for the stream
    this.hold = null;           // a list that waits for its `Live-Until`
    this.joined = this.signal = this.orphan = this.again = this.behind = false;
    this.needed = options.fetch === void 0 ? options.seq == null : !!options.fetch;
    this.tries = 0;
    if (options.seq == null) return;
    this.position = this.floor = options.seq;
    collection.each(function(model) {
      if (!model.isNew()) learn(model, null, options.seq, _.clone(model.attributes));
    });
  };

  _.extend(Listener.prototype, {

    // Begin: subscribe, and read.
    start: function() {
      var collection = this.collection;
      if (!this.on) return;
      this.link = findLink(collection, this.options);
      var url = this.link && _.result(collection, 'url');
      var channel = this.options.channel || _.result(collection, 'channel') || guess(url);
      if (!this.link || !url && !channel) return void (this.on = false);
      hook(collection);
      if (!url) this.needed = false;
      this.joined = !this.needed;
      this.signal = /\?/.test(url);
      if (channel) this.join(channel);
      this.update();
      if (this.needed && !this.reading()) this.read();
    },

    stop: function() {
      this.on = false;
      clearTimeout(this.timer);
      this.endHold();
      this.reached(true);
      if (this.stream) this.stream.leave(this);
      this.stream = null;
      this.update();
    },

    // The stream may already be under way: then this is where ours begins.
    join: function(channel) {
      if (this.stream) this.stream.leave(this);
      this.from = null;
      this.stream = this.link.join(channel, this);
      if (this.stream.last != null) this.begin({start: this.stream.last});
    },

    // What `collection.live` says, and who wants to know.
    state: function() {
      var stream = this.stream;
      if (!this.on || !this.link) return 'off';
      if (this.link.stale || this.orphan) return 'stale';
      if (stream && stream.refused && !this.reading()) return 'refused';
      return stream && stream.confirmed && this.joined && !this.behind ? 'live' : 'connecting';
    },

    update: function() {
      var collection = this.collection, state = this.state();
      if (collection._listener !== this || collection.live === state) return;
      collection.live = state;
      var waiting = collection._waiting;
      if (state === 'live' || state === 'refused') collection._waiting = [];
      collection.trigger('live', collection, state);
      if (state === 'refused' || state === 'stale') this.warn(state);
      if (state === 'refused') collection.trigger('error', collection, this.stream.refused, {live: true});
      if (state === 'live') _.each(waiting, function(waiter) { waiter.resolve(collection); });
      if (state === 'refused') _.invoke(waiting, 'reject', this.stream.refused);
    },

    // Never silently stale.
    warn: function(state) {
      var why = state === 'refused' ? this.stream.refused : this.link.stale || 'the server names no channel for it';
      if (root.console) root.console.warn('LiveCollection ' + _.result(this.collection, 'url') + ' is ' + state + ': ' + why);
    },

    // Tombstones
    // ----------

    bury: function(key, seq) {
      var tomb = this.tombs.get(key);
      if (seq != null && !(tomb && older(seq, tomb.seq))) this.tombs.set(key, {seq: seq, stamp: ++clock});
    },

    buried: function(key, seq) {
      var tomb = this.tombs.get(key);
      return !!tomb && !older(tomb.seq, seq);
    },

    // A tombstone is kept while an answer may still come that knows less, or
    // while the stream may tell again what came before it.
    forgetTombs: function() {
      var tombs = this.tombs, position = this.position, first = Infinity;
      if (!tombs.size || this.held.size || this.hold) return;
      this.requests.forEach(function(request) { first = Math.min(first, request.stamp); });
      tombs.forEach(function(tomb, key) {
        if (tomb.stamp < first && !older(position, tomb.seq)) tombs.delete(key);
      });
    },

    // The stream
    // ----------

    // Take what the stream has brought, in its order.
    take: function(items) {
      var listener = this, batch = new Batch(this);
      var commit = function() {
        var done = batch;
        batch = new Batch(listener);
        done.commit({live: true, seq: listener.latest(listener.position)});
      };
      _.each(items, function(item) {
        if (!listener.on) return;
        if (item.reply) {
          commit();
          listener.begin(item.reply);
        } else if (item.last) {
          listener.compare(item.last);
        } else {
          listener.message(item.data, batch, commit);
        }
      });
      commit();
      this.reached();
      this.forgetTombs();
      this.update();
    },

    // Our subscription is confirmed: this is where the stream begins.
    begin: function(reply) {
      var start = reply.start;
      this.behind = false;
      if (reply.reset) return this.reset(start);
      if (start != null) {
        if (this.position == null) this.position = start;
        if (this.from == null || older(start, this.from)) this.from = start;
        if (!sameLog(this.position, start)) return this.reset(start);
        if (this.position < start) {
          this.from = this.position;
          return this.resume();
        }
      } else if (reply.again) {
        this.needed = true;
      } else if (this.listed) {
        this.joined = true;
        this.needed = false;
      }
      if (!this.reading()) this.unread();
    },

    resume: function() {
      this.behind = true;
      this.stream.resume();
    },

    // The server says what it has sent last. It comes with the answer to a
    // connect, so what was sent again on it may be behind it: only what is
    // still missing by the next answer has been lost.
    compare: function(last) {
      if (!older(this.position, last)) this.missed = null;
      else if (this.missed === this.position) this.resume();
      else this.missed = this.position;
    },

    // One message of the stream. There is a gap if and only if `prev` is
    // after our position; what is not after our position is a repeat.
    message: function(data, batch, commit) {
      if (!data || !data.method || this.link.stale) return;
      var seq = data.seq, position = this.position;
      if (seq == null) return void (this.stream.legacy && this.unnumbered(data, batch));
      if (position == null) return;
      var repeat = sameLog(seq, position) && seq <= position;
      if (!sameLog(seq, position) || repeat && data.method === 'RESET') return this.resume();
      if (repeat) return this.origin(data, batch, true);
      if (older(position, data.prev)) return this.resume();
      this.position = seq;
      if (data.method === 'RESET') {
        commit();
        return this.reset(seq, true);
      }
      if (!this.hold) return this.apply(data, batch);
      this.hold.messages.push(data);
      if (older(seq, this.hold.until)) return;
      commit();
      this.endHold();
    },

    apply: function(data, batch) {
      var id = data.body && this.collection.modelId(data.body);
      this.origin(data, batch);
      if (this.signal) {
        this.needed = true;
        this.unread();
      } else if (id != null) {
        if (data.method === 'DELETE') batch.remove(id, data.seq);
        else batch.state(id, data.body, data.seq, true);
      }
    },

    // A push that bears the origin of one of our creates *is* its model. A
    // repeat tells at least that: where its document is not here any more, it
    // has been removed since.
    origin: function(data, batch, repeat) {
      var collection = this.collection, create = data.origin && this.stream.create(data.origin);
      if (!create || data.method === 'DELETE') return;
      var model = create.model, mine = create.listener === this, here = collection.get(model.cid) === model;
      var id = collection.modelId(data.body), other = batch.find(id);
      if (mine) this.creates.delete(data.origin);
      if (mine && create.id == null) create.id = id;
      if ((here || mine && !repeat) && other !== model && (model.id == null || model.id === id)) {
        if (!repeat || other || this.held.has(String(id))) {
          recall(model, data.body);
          batch.identify(create, id, {live: true, seq: this.latest(this.position)});
        } else if (here) {
          batch.gone.add(model);
        }
      }
      if (mine) this.release(create, batch);
    },

    // Another server's messages have no seq: they apply as they come. Whether
    // an unknown document is one of our creates is not known before these
    // have been answered.
    unnumbered: function(data, batch) {
      var id = data.body && this.collection.modelId(data.body), key = String(id);
      if (id == null) return;
      if (this.signal || data.method === 'DELETE' || this.collection.get(id)) {
        this.held.delete(key);
        this.apply(data, batch);
      } else if (this.holds()) {
        this.held.set(key, {body: data.body, seq: null, parse: true});
      } else {
        this.apply(data, batch);
      }
    },

    // What happened can't be told: forget versions, tombstones and floor
    // *first*, then read again. Of RESET itself we know where in the log it
    // stands: what is known to be after it stays.
    reset: function(start, told) {
      var forget = function(model) {
        var state = stateOf(model);
        if (!told || !older(start, state.version)) state.version = null;
      };
      this.era++;
      this.floor = this.top = null;
      this.tombs.forEach(function(tomb, key, tombs) {
        if (!told || !older(start, tomb.seq)) tombs.delete(key);
      });
      this.held.clear();
      this.position = this.from = start;
      this.collection.each(forget);
      this.hidden.forEach(function(hidden) { forget(hidden.model); });
      this.endHold();
      this.reached(true);
      this.joined = false;
      this.needed = true;
      this.update();
      this.unread();
    },

    // Reading
    // -------

    // A read of the whole list that is under way and still counts.
    reading: function() {
      var era = this.era;
      return _.find(Array.from(this.requests), function(request) { return request.list && request.whole && request.era === era; });
    },

    read: function(options) {
      clearTimeout(this.timer);
      this.timer = null;
      this.again = false;
      this.collection.fetch(_.extend({reread: true}, options));
    },

    // Read if there is need: one at a time.
    unread: function() {
      if (!this.on || !this.needed || this.link.stale) return;
      if (this.reading()) this.again = true;
      else this.read(this.joined ? {live: true} : {});
    },

    retry: function() {
      var listener = this, delay = Math.min(10000, 500 * Math.pow(2, this.tries++));
      if (this.timer || !this.on || !this.needed || this.reading()) return;
      this.timer = setTimeout(function() { listener.unread(); }, delay * (0.5 + Math.random() / 2));
    },

    // What the answer to a read of the list means for the collection as a
    // whole. An answer without `Live-Seq` counts at the position that we had
    // when it was asked for.
    admit: function(request) {
      var header = request.header, seq = request.seq, named = header('Live-Channel'), signal = header('Live-Signal');
      var top = request.until || seq || request.at;
      request.label = seq || request.at;
      request.useless = request.era !== this.era || older(request.label, this.floor) || request.whole && older(top, this.top);
      var other = request.label && this.position && !sameLog(request.label, this.position);
      if (!request.whole && other) request.useless = true;
      if (request.useless || !request.whole) return;
      this.top = top;
      if (named || signal) {
        this.signal = !named;
        if (!this.stream || this.stream.channel !== (named || signal)) this.join(named || signal);
      }
      this.orphan = !this.stream || !!seq && !named && !signal;
      var label = request.label;
      if (other) {
        request.era = ++this.era;
        this.tombs.clear();
      }
      this.listed = true;
      if (label) {
        this.floor = label;
        if (other || older(label, this.from)) {
          this.position = this.from = label;
          if (this.stream) this.resume();
        } else if (this.position == null || this.position < label) {
          this.position = label;
        }
      }
      request.joins = !!label || !!(this.stream && this.stream.legacy);
      if (request.joins) this.needed = this.again;
    },

    // The answer to a read of the list. Its further pages are read first, and
    // count as of the first; then it may have to wait for the stream.
    list: function(request, resp, options, proceed) {
      var listener = this;
      var finish = function() {
        if (request.era !== listener.era) request.useless = true;
        if (request.joins && !request.useless) listener.joined = true;
        if (options.live) options.seq = listener.latest(request.label);
        reads.set(options, request);
        try { proceed(); } finally { listener.listRead(request); }
      };
      if (request.failed || !this.on) {
        this.end(request);
        proceed();
        return request.whole && this.retry();
      }
      request.pages = [{body: resp, seq: request.seq || request.at}];
      request.until = request.header('Live-Until');
      this.follow(request, options, request.header, function() {
        listener.admit(request);
        if (!request.whole) return listener.after(request.until, finish);
        if (request.useless) return finish();
        var old = listener.hold;
        request.messages = old ? old.messages : [];
        if (old) {
          old.request.useless = true;
          listener.endHold();
        }
        if (listener.signal || !older(listener.position, request.until)) return finish();
        listener.hold = {request: request, until: request.until, messages: request.messages, finish: finish};
      });
    },

    // What is still to be read is read at once; where a list in which pushes
    // are not applied was older than what it lacks, it is read again later.
    listRead: function(request) {
      var lagging = this.needed && this.joined;
      this.end(request);
      if (!lagging) this.tries = 0;
      if (this.again) this.needed = true;
      if (lagging && !this.again) this.retry();
      else if (this.stream && this.stream.confirmed) this.unread();
      this.update();
    },

    // Wait until the stream has reached what an answer may show already.
    after: function(until, run) {
      if (this.signal || !older(this.position, until)) return run();
      this.later.push({until: until, run: run});
    },

    reached: function(all) {
      var position = this.position;
      var ripe = _.filter(this.later, function(one) { return all || !older(position, one.until); });
      this.later = _.difference(this.later, ripe);
      _.invoke(ripe, 'run');
    },

    // Follow `Link: <…>; rel="next"` as long as the list says that it is whole.
    follow: function(request, options, header, done) {
      var listener = this, collection = this.collection;
      var next = /<([^>]*)>[^,]*;\s*rel="?next\b/.exec(header('Link') || '');
      if (!next || !request.whole || !header('Live-Channel')) return done();
      var page = _.extend(_.omit(options, 'xhr', 'data'), {url: next[1], page: true, error: options.error});
      page.success = function(resp) {
        var header = reader(page, arguments), until = header('Live-Until');
        request.pages.push({body: resp, seq: header('Live-Seq') || request.at});
        if (until && !older(until, request.until)) request.until = until;
        listener.follow(request, options, header, done);
      };
      collection.sync('read', collection, page);
    },

    endHold: function() {
      var hold = this.hold;
      this.hold = null;
      if (!hold) return;
      hold.finish();
    },

    // Backbone is about to `set` or `reset` what a read has brought. Rows go
    // by rule; only a whole list removes what it lacks, and nothing that is
    // newer than it, or that the server can't know of yet.
    reconcile: function(resp, options, request, reset) {
      var listener = this, collection = this.collection, batch = new Batch(this), parse = options.parse;
      if (request.useless) return collection.models;
      batch.list = [];
      batch.list.whole = request.whole;
      _.each(request.pages, function(page, index) {
        var rows = index ? page.body : resp;
        var seq = listener.signal && request.until || page.seq;
        if (parse) rows = collection.parse(rows, options) || [];
        _.each(_.isArray(rows) ? rows : [rows], function(row) {
          var body = collection._isModel(row) ? row.attributes : row, id = collection.modelId(body);
          var key = id == null ? _.uniqueId('row') : String(id);
          batch.list.push(key);
          if (id != null && !collection.get(id) && !listener.hidden.has(key) && listener.holds() && !listener.buried(key, seq)) {
            listener.held.set(key, {body: body, seq: seq, parse: parse});
          } else {
            batch.state(id == null ? key : id, body, seq, parse, true);
          }
        });
      });
      if (request.whole) {
        this.held.forEach(function(row, key, held) { if (older(row.seq, request.label)) held.delete(key); });
      }
      if (request.whole && options.remove !== false) {
        var listed = _.object(batch.list, batch.list);
        collection.each(function(model) {
          var state = stateOf(model), newer = older(request.label, state.version) || state.stamp > request.stamp;
          if (_.has(listed, model.id) || model.isNew() || !known(model) && state.saves.length) return;
          if (!newer) batch.gone.add(model);
          else if (listener.signal) listener.needed = true;
        });
        this.hidden.forEach(function(hidden, key) {
          if (!_.has(listed, key) && !older(request.label, stateOf(hidden.model).version)) listener.hidden.delete(key);
        });
      }
      _.each(request.messages, function(data) { listener.apply(data, batch); });
      batch.commit(options, reset);
      return collection.models;
    },

    // While creates are unanswered, unknown rows of a read wait for them: one
    // of them may be a create's. Those of an older list have been told since.
    holds: function() {
      var listener = this;
      this.creates.forEach(function(create) { if (create.pending) listener.waited.add(create); });
      return this.waited.size > 0;
    },

    release: function(create, open) {
      var listener = this, batch = open || new Batch(this), held = this.held;
      if (!this.waited.delete(create) || this.waited.size || !held.size) return;
      this.held = new Map();
      held.forEach(function(row) {
        if (older(row.seq, listener.floor)) return;
        batch.state(listener.collection.modelId(row.body), row.body, row.seq, row.parse, true);
      });
      if (!open) batch.commit({});
    },

    // Own requests
    // ------------

    // Each request is noted as it leaves: what it sends, and what we knew.
    // Its callbacks are wrapped, so that Backbone sees by rule what came.
    request: function(method, model, options) {
      var listener = this, list = model === this.collection;
      var kind = list ? 'list' : method === 'read' ? 'fetch' : method === 'delete' ? 'destroy' : 'save';
      var request = {model: model, method: method, stamp: ++clock, era: this.era, at: this.position};
      var wrap = function(callback, failed) {
        return function(first) {
          var context = this, args = _.toArray(arguments);
          request.header = reader(options, args);
          request.seq = request.header('Live-Seq');
          if (failed) request.failed = {status: first && first.status || 0};
          if (listener.stream) listener.stream.flush();
          listener.settle(request);
          try {
            listener[kind](request, failed ? void 0 : first, options, function(attrs) {
              if (attrs) deliver(model, attrs, options, callback, context, args);
              else if (callback) callback.apply(context, args);
            });
          } finally {
            if (!list) listener.end(request);
          }
        };
      };
      request.list = list;
      request.whole = !!options.reread || options.data == null && options.url == null;
      if (!list && request.whole) this.address(model, options);
      if (kind === 'destroy') this.hide(request, options);
      if (kind === 'save') this.sends(request, options);
      if (this.link && this.link.withCredentials) {
        options.xhrFields = _.extend({withCredentials: true}, options.xhrFields);
      }
      options.success = wrap(options.success);
      options.error = wrap(options.error, true);
      this.requests.add(request);
      return request;
    },

    // The query of a collection's URL is no part of its models' URLs.
    address: function(model, options) {
      var url = model.url === Backbone.Model.prototype.url && !model.urlRoot && _.result(model.collection, 'url');
      if (!/\?/.test(url || '')) return;
      options.url = url.replace(/\?.*/, '').replace(/[^\/]$/, model.isNew() ? '$&' : '$&/');
      if (!model.isNew()) options.url += encodeURIComponent(model.id);
    },

    // It is answered: what it sent is not protected any more.
    settle: function(request) {
      var state = stateOf(request.model);
      if (request.save) state.saves = _.without(state.saves, request.save);
      if (request.create) request.create.pending = false;
    },

    end: function(request) {
      this.settle(request);
      this.requests.delete(request);
      this.forgetTombs();
      this.update();
    },

    // A PUT sends what differs from the known state or from what an earlier
    // save is about to make of it, a PATCH its body, a POST everything. A POST has its own origin; a repeat after a lost answer has
    // the one that it had.
    sends: function(request, options) {
      var model = request.model, create = request.method === 'create', state = stateOf(model), sent = {};
      var json = options.attrs || model.toJSON(options), body = options.attrs || _.pick(model.attributes, _.keys(json)), base = request.method === 'update' && known(model);
      var before = mine(model);
      _.each(body, function(value, name) {
        if (!base || before[name] || !_.has(base, name) || !_.isEqual(base[name], value)) sent[name] = true;
      });
      if (base && !options.attrs) _.each(base, function(value, name) { if (!_.has(body, name)) sent[name] = true; });
      request.id = model.id;
      request.save = {sent: sent, values: _.pick(body, _.keys(sent)), wait: options.wait && !create};
      state.saves = state.saves.concat(request.save);
      if (!create) return;
      request.create = _.find(Array.from(this.creates.values()), function(one) {
        return one.model === model && !one.pending;
      }) || {origin: token(), model: model, listener: this};
      var origin = request.create.origin;
      this.creates.set(origin, _.extend(request.create, {pending: true, options: options}));
      if (!this.stream || !this.stream.legacy) options.headers = _.extend({'Live-Origin': origin, 'Idempotency-Key': origin}, options.headers);
    },

    // The answer to a save: known, if it is not older than what is known.
    // Backbone is given what is to be shown, whichever it is.
    save: function(request, resp, options, proceed) {
      var model = request.model, state = stateOf(model), create = request.create;
      var body = _.isObject(resp) ? resp : null, label = request.seq || request.at, sent = request.save.sent;
      if (request.failed) {
        this.failed(request);
        proceed();
        if (request.failed.status === 404) this.absent(model, request.seq || request.at);
      } else {
        var parsed = body && options.parse && !request.seq ? model.parse(_.clone(body), options) : body;
        var fate = body && request.method === 'create' && this.on ? this.created(request, body, label) : null;
        if (!fate && this.counts(request, label) && !older(label, state.version)) {
          if (request.seq && body) learn(model, body, label, options.parse ? null : body);
          else learn(model, null, label, _.extend({}, known(model), body ? parsed : request.save.values));
          if (!request.seq) state.stamp = ++clock;
        } else {
          recall(model, body);
        }
        keep(model, _.omit(state.kept, _.keys(sent)));
        if (fate === 'gone') this.drop(model, label);
        state.barred = fate === 'gone' || fate === 'old';
        proceed(fate === 'gone' || !body && !known(model) ? null : _.extend(_.pick(body, model.idAttribute), view(model)));
        state.barred = false;
      }
      if (create) this.release(create);
    },

    // Whether an answer is of our era and our log.
    counts: function(request, label) {
      return request.era === this.era && (!label || !this.position || sameLog(label, this.position));
    },

    // After a failure the attributes that it sent keep the user's values, but
    // for what is known to be so anyhow, and what `wait` has never shown. A
    // create that was refused will not come back; one that was lost may.
    failed: function(request) {
      var model = request.model, state = stateOf(model), names = {};
      var status = request.failed.status, create = request.create;
      var definite = status >= 400 && status < 500 && !_.contains([408, 425, 429], status);
      if (create && !definite) create.lost = true;
      if (create && !create.lost) this.creates.delete(create.origin);
      if (!request.save.wait) {
        _.each(request.save.sent, function(yes, name) {
          if (!_.isEqual((known(model) || {})[name], model.attributes[name])) names[name] = true;
          state.stray[name] = true;
        });
      }
      keep(model, _.extend(names, state.kept), request.method === 'create' && model.id == null);
      show(model);
    },

    // The answer to a create tells its id. It may be another model's, or that
    // of a document that has been removed since: by a tombstone, or because a
    // list as new as the answer had no such row.
    created: function(request, body, label) {
      var model = request.model, collection = this.collection, create = request.create, batch = new Batch(this);
      var id = collection.modelId(body), key = String(id), other = collection.get(id);
      var here = collection.get(model.cid) === model, options = {live: true, seq: this.latest(label)};
      var hidden = this.hidden.get(key), past = hidden && hidden.model !== model && !older(stateOf(hidden.model).version, label);
      var adopt = function() {
        stateOf(model).homes.forEach(function(home) {
          if (home._listener) new Batch(home._listener).identify(create, id, options);
        });
      };
      if (id == null || model.id != null && model.id === request.id) return null;
      if (!this.counts(request, label)) {
        if (other && here) adopt();
        this.needed = true;
        if (this.floor) this.unread();
        return 'old';
      }
      this.creates.delete(create.origin);
      if (model.id != null && model.id !== id) {
        batch.state(id, body, label, true);
        batch.commit(options);
        return 'other';
      }
      if (create.id != null) return here ? null : 'old';
      if (other || this.held.has(key)) {
        adopt();
        if (collection.get(id) !== model) batch.identify(create, id, options);
      } else if (past || this.buried(key, label) || request.seq && this.floor && !older(this.floor, label)) {
        return 'gone';
      }
      return null;
    },

    // The seq that an event about a state tells: it never falls.
    latest: function(seq) {
      if (older(seq, this.position)) seq = this.position;
      return this.stream && older(seq, this.stream.last) ? this.stream.last : seq;
    },

    // A read of one model. An old answer shows what is known instead.
    fetch: function(request, resp, options, proceed) {
      var model = request.model, label = request.seq || request.at, state = stateOf(model);
      if (request.failed || !request.whole || !_.isObject(resp) || !this.on) {
        proceed();
        if (request.failed && request.failed.status === 404) this.absent(model, request.seq || request.at);
        return;
      }
      if (this.counts(request, label) && !older(label, state.version)) {
        learn(model, resp, label, options.parse ? null : resp);
      }
      proceed(known(model) ? view(model) : null);
    },

    // Destroys
    // --------

    // While a destroy is unanswered its document stays hidden, whatever comes.
    hide: function(request, options) {
      var model = request.model;
      request.id = String(model.id);
      request.homes = _.compact(_.pluck(Array.from(stateOf(model).homes), '_listener'));
      if (options.wait) return;
      _.each(request.homes, function(home) {
        home.hidden.set(request.id, {model: model, index: home.collection.indexOf(model)});
      });
    },

    // If it fails, the document is put back; so it is if it has been made
    // again since. Where a push has removed it, it is not hidden any more.
    destroy: function(request, resp, options, proceed) {
      var listener = this, model = request.model, state = stateOf(model), gone = !request.failed || request.failed.status === 404;
      var counts = this.counts(request, request.seq);
      _.each(request.homes, function(home) {
        var hidden = home.hidden.get(request.id);
        var again = state.version != null && (counts ? older(request.seq, state.version) : gone);
        home.hidden.delete(request.id);
        if (gone && counts) home.bury(request.id, request.seq || request.at || state.version);
        if (hidden && (!gone || again) && home.on) home.putBack(hidden);
      });
      proceed();
      if (options.wait && request.failed && gone) this.absent(model, request.seq || request.at);
      if (!listener.on) return;
      if (options.wait && !request.failed && older(request.seq, state.version)) {
        _.each(request.homes, function(home) { home.putBack({model: model}); });
      }
    },

    putBack: function(hidden) {
      var collection = this.collection, model = hidden.model;
      var at = collection.comparator || hidden.index == null ? {} : {at: hidden.index};
      if (collection.get(model.id)) return;
      show(model);
      collection.add(model, at);
    },

    // The server says that it has no such document.
    absent: function(model, seq) {
      if (!seq || older(seq, stateOf(model).version)) return;
      this.bury(String(model.id), seq);
      this.drop(model, seq);
    },

    drop: function(model, seq) {
      stateOf(model).homes.forEach(function(home) { if (home._listener) home.remove(model, {live: true, seq: home._listener.latest(seq)}); });
    }

  });

  // Streams
  // -------

  // A **stream** is one subscription: of one client, to one channel. It feeds
  // all collections that listen there, each from its own position, and begins
  // at the earliest of these.
  var Stream = function(link, channel) {
    this.link = link;
    this.channel = channel;
    this.listeners = [];
    this.items = [];
    this.last = this.refused = null;
    this.confirmed = this.asking = false;
    this.legacy = !link.extended;
  };

  _.extend(Stream.prototype, {

    leave: function(listener) {
      this.listeners = _.without(this.listeners, listener);
      if (!this.listeners.length) this.link.drop(this);
    },

    // The create that has this origin.
    create: function(origin) {
      return _.reduce(this.listeners, function(found, listener) { return found || listener.creates.get(origin); }, null);
    },

    // The earliest position: what a subscription is to begin after.
    since: function() {
      return _.reduce(this.listeners, function(first, listener) {
        var position = listener.position;
        return first == null || older(position, first) ? position : first;
      }, null);
    },

    resume: function() {
      if (!this.asking) this.link.subscribe(this);
    },

    // What arrives together is taken together, in the next microtask.
    push: function(item) {
      var stream = this;
      if (item.data && item.data.seq != null && !older(item.data.seq, this.last)) this.last = item.data.seq;
      if (this.items.push(item) === 1) Promise.resolve().then(function() { stream.flush(); });
    },

    flush: function() {
      var items = this.items;
      this.items = [];
      if (items.length) this.each(function(listener) { listener.take(items); });
    },

    // An error in a user's handler is the user's; the others go on, and what
    // it has kept from being shown is read again.
    each: function(callback) {
      _.each(this.listeners.slice(), function(listener) {
        try {
          callback(listener);
        } catch (error) {
          setTimeout(function() { throw error; });
          listener.needed = true;
          listener.unread();
        }
      });
    },

    update: function() {
      this.each(function(listener) { listener.update(); });
    },

    // The server's answer to a subscription that asked for `since`.
    answered: function(message, since) {
      var live = message.ext && message.ext.live;
      this.asking = false;
      if (!message.successful) {
        if (!/^40[12]/.test(message.error) && !message.failure) this.refused = message.error || 'refused';
        return this.update();
      }
      var again = this.confirmed !== false || this.known;
      this.refused = null;
      this.legacy = !live;
      this.confirmed = this.known = true;
      var start = live ? !live.reset && since || live.seq : null;
      this.last = start;
      this.push({reply: {start: start, reset: live && live.reset, again: again}});
    },

    lost: function() {
      this.confirmed = this.asking = false;
      this.update();
    }

  });

  // A **link** is what we add to one Bayeux client: an extension that puts our
  // positions into its handshakes, connects and subscriptions, also into those
  // that it sends by itself, and hears what the server says to them.
  var links = new WeakMap();
  var Link = function(client) {
    var link = this;
    this.client = client;
    this.streams = new Map();
    this.asked = new Map();     // message id → {since, clientId}
    this.cometd = !client.addExtension && !!client.registerExtension;
    this.extended = !!client.addExtension || this.cometd;
    this.stale = null;
    this.outgoing = _.bind(this.outgoing, this);
    this.extension = this.cometd ? {
      outgoing: function(message) { link.outgoing(message); return message; },
      incoming: function(message) { link.incoming(message); return message; }
    } : {
      outgoing: function(message, callback) {
        var wait = link.outgoing(message);
        if (wait) wait.then(function() { callback(message); });
        else callback(message);
      },
      incoming: function(message, callback) { callback(link.incoming(message) ? message : null); }
    };
    this.down = function() { link.lost(true); };
    this.offline = function() { link.lost(); };
    this.online = function() { link.resume(); };
    this.connected = function(message) { if (message.successful === false) link.lost(); };
    this.shaken = function(message) { if (message.successful) link.resume(); };
  };

  // Find the link of a client, or make it.
  var linkOf = function(client) {
    if (!links.has(client)) links.set(client, new Link(client));
    return links.get(client);
  };

  _.extend(Link.prototype, {

    // Begin with the first stream; end with the last.
    open: function() {
      var client = this.client;
      if (this.opened) return;
      this.opened = true;
      if (this.cometd) {
        client.registerExtension('live', this.extension);
        this.heard = [client.addListener('/meta/connect', this.connected), client.addListener('/meta/handshake', this.shaken)];
      } else if (client.addExtension) {
        client.addExtension(this.extension);
        if (client.bind) client.bind('transport:down', this.down, this);
      }
      if (root.addEventListener) {
        root.addEventListener('offline', this.offline);
        root.addEventListener('online', this.online);
      }
    },

    close: function() {
      var client = this.client;
      if (this.kept || this.streams.size) return;
      this.opened = false;
      if (this.cometd) {
        client.unregisterExtension('live');
        _.each(this.heard, function(handle) { client.removeListener(handle); });
      } else if (client.addExtension) {
        client.removeExtension(this.extension);
        if (client.unbind) client.unbind('transport:down', this.down, this);
      }
      if (root.removeEventListener) {
        root.removeEventListener('offline', this.offline);
        root.removeEventListener('online', this.online);
      }
      this.asked.clear();
    },

    join: function(channel, listener) {
      var stream = this.streams.get(channel);
      if (stream) {
        stream.listeners.push(listener);
        return stream;
      }
      this.open();
      this.streams.set(channel, stream = new Stream(this, channel));
      stream.listeners.push(listener);
      this.subscribe(stream);
      return stream;
    },

    drop: function(stream) {
      this.streams.delete(stream.channel);
      this.unsubscribe(stream);
      this.close();
    },

    // Subscribe, or subscribe again to be set back. Faye's client is told by
    // `true` to send even though it holds the channel.
    subscribe: function(stream) {
      var client = this.client, cometd = this.cometd;
      if (cometd && client.isDisconnected && client.isDisconnected()) return;
      stream.asking = true;
      if (stream.subscription && client._receiveMessage) return void client.subscribe(stream.channel, true);
      this.unsubscribe(stream);
      stream.subscription = client.subscribe(stream.channel, function(message) {
        stream.push({data: cometd ? message.data : message});
      });
      if (!this.extended && stream.subscription && stream.subscription.then) {
        stream.subscription.then(function() { stream.answered({successful: true}); }, function(error) {
          stream.answered({successful: false, error: error && error.message || String(error)});
        });
      }
    },

    unsubscribe: function(stream) {
      var subscription = stream.subscription;
      stream.subscription = null;
      if (!subscription) return;
      if (this.cometd) this.client.unsubscribe(subscription);
      else if (subscription.cancel) subscription.cancel();
    },

    // The way to the server is cut. A session may outlive its socket, and then
    // nobody would tell that we are heard again: so ask.
    lost: function(ask) {
      this.streams.forEach(function(stream) { stream.lost(); });
      if (ask) this.resume();
    },

    resume: function() {
      this.streams.forEach(function(stream) { stream.resume(); });
    },

    // What the client sends. Returns a promise where the token is awaited.
    outgoing: function(message) {
      var link = this, stream = this.streams.get(message.subscription), at = {};
      var say = function(live) { message.ext = _.extend({}, message.ext, {live: live}); };
      if (message.channel === '/meta/handshake') {
        say({version: 1});
        if (!this.token) return;
        var put = function(value) { if (value != null) message.ext.token = value; };
        var value = _.isFunction(this.token) ? attempt(this.token) : this.token;
        if (value && value.then && !this.cometd) return value.then(put, _.noop);
        if (!value || !value.then) put(value);
      } else if (message.channel === '/meta/subscribe' && stream) {
        var since = stream.since();
        say(since ? {since: since} : {});
        this.asked.set(message.id, {since: since, clientId: message.clientId});
      } else if (message.channel === '/meta/connect') {
        this.streams.forEach(function(one) { if (one.since()) at[one.channel] = one.since(); });
        if (!_.isEmpty(at)) say({at: at});
      }
    },

    // What the server says. Returns whether the client is to hear it: Faye's
    // forgets a subscription that failed, also where it was only its session
    // that is unknown and that it is about to shake hands again.
    incoming: function(message) {
      var live = message.ext && message.ext.live, stream = this.streams.get(message.subscription);
      if (message.channel === '/meta/handshake') {
        if (!message.successful) return true;
        this.asked.clear();
        this.stale = live && live.error || null;
        this.streams.forEach(function(one) { one.lost(); });
      } else if (message.channel === '/meta/subscribe') {
        var asked = this.asked.get(message.id);
        this.asked.delete(message.id);
        if (stream) stream.answered(message, asked && asked.since);
        if (stream && !message.successful && /^401/.test(message.error)) return false;
      } else if (message.channel === '/meta/connect' && live && live.last) {
        this.streams.forEach(function(one) { if (live.last[one.channel]) one.push({last: live.last[one.channel]}); });
      }
      return true;
    }

  });

  // Which client
  // ------------

  var attempt = function(callback) {
    try { return callback(); } catch (error) { return void 0; }
  };

  // The client is that of the options, else `client` on the prototype chain,
  // else that of the nearest ancestor on which `connect` was called. That is
  // kept aside, since `extend` would copy it.
  var connections = new WeakMap();
  var findLink = function(collection, options) {
    var client = options.client || collection.client;
    if (client) return linkOf(client);
    for (var proto = collection; proto; proto = Object.getPrototypeOf(proto)) {
      if (_.has(proto, 'constructor') && connections.has(proto.constructor)) return connections.get(proto.constructor);
    }
    return null;
  };

  // The channel of a URL, until the server names it: its path, in which what
  // Bayeux does not allow is written `~XX`.
  var guess = function(url) {
    if (!url) return null;
    var path = String(url).replace(/[?#].*$/, '').replace(/^[a-z][a-z0-9+.-]*:\/\/[^\/]*|^\/\/[^\/]*/i, '');
    if (path.charAt(0) !== '/') path = root.location && root.location.href ? new URL(path, root.location.href).pathname : '/' + path;
    path = path.replace(/\/+$/, '');
    try { path = decodeURIComponent(path); } catch (error) { /* then as it stands */ }
    return path.replace(/[^A-Za-z0-9\-_!~()$@\/]/g, function(character) {
      return encodeURIComponent(character).replace(/^[^%]$/, function(one) {
        return '%' + one.charCodeAt(0).toString(16).toUpperCase();
      }).replace(/%/g, '~');
    });
  };

  // LiveCollection
  // --------------

  // The answer that Backbone is about to `set`, by the options of its read.
  var reads = new WeakMap();

  var Collection = Backbone.Collection.prototype;

  // Change one line: `LiveCollection.extend` for `Backbone.Collection.extend`.
  // Options: `live: false` for a plain collection, `client`, `channel`, `seq`
  // with bootstrapped rows, `fetch: false` where nothing is to be read.
  var LiveCollection = Backbone.Collection.extend({

    // One of `off`, `connecting`, `live`, `stale`, `refused`. Each change of
    // it is an event `live`, with the collection and the state.
    live: 'off',

    constructor: function(models, options) {
      var collection = this;
      options || (options = {});
      this._waiting = [];
      hook(this);
      Backbone.Collection.apply(this, arguments);
      if (options.live === false) return;
      this._listener = new Listener(this, _.pick(options, 'client', 'channel', 'seq', 'fetch'));
      var listener = this._listener;
      Promise.resolve().then(function() { if (collection._listener === listener) listener.start(); });
    },

    // Begin to listen; a live collection does so by itself on the microtask
    // after its construction.
    listen: function() {
      var before = this._listener;
      if (before && before.on) return this;
      this.each(function(model) { stateOf(model).version = null; });
      this._listener = new Listener(this, before ? _.omit(before.options, 'seq') : {});
      if (before) this._listener.creates = before.creates;
      this._listener.start();
      return this;
    },

    // Stop, and keep nothing: no subscription, no listener, no timer.
    unlisten: function() {
      if (this._listener) this._listener.stop();
      return this;
    },

    // A promise of the collection, when the server has confirmed and the read
    // has been joined. It is rejected where the subscription is refused.
    whenLive: function() {
      var collection = this;
      if (this.live === 'live') return Promise.resolve(this);
      return new Promise(function(resolve, reject) {
        collection._waiting.push({resolve: resolve, reject: reject});
      });
    },

    set: function(models, options) {
      var request = options && reads.get(options);
      if (request) {
        reads.delete(options);
        return this._listener.reconcile(models, options, request, false);
      }
      if (models && states.has(models) && states.get(models).barred) return models;
      return Collection.set.apply(this, arguments);
    },

    reset: function(models, options) {
      var request = options && reads.get(options);
      if (!request) return Collection.reset.apply(this, arguments);
      reads.delete(options);
      return this._listener.reconcile(models, options, request, true);
    },

    // A clone is a plain collection.
    clone: function() {
      return new this.constructor(this.models, {model: this.model, comparator: this.comparator, live: false});
    },

    _prepareModel: function() {
      var model = Collection._prepareModel.apply(this, arguments);
      if (model) hook(model);
      return model;
    },

    _addReference: function(model) {
      hook(model);
      stateOf(model).homes.add(this);
      return Collection._addReference.apply(this, arguments);
    },

    _removeReference: function(model) {
      var homes = stateOf(model).homes;
      homes.delete(this);
      Collection._removeReference.apply(this, arguments);
      if (!model.collection && homes.size) model.collection = homes.values().next().value;
    }

  }, {

    // Connect this class, and those below it that have no connection of their
    // own, to a server: by the URL of its Bayeux endpoint, for which Faye is
    // needed, or by a client. Returns the client.
    connect: function(urlOrClient, options) {
      var client = urlOrClient, link;
      if (_.isString(client)) {
        var Faye = faye();
        if (!Faye) throw new Error('LiveCollection.connect needs Faye for a URL; or give it a client');
        client = new Faye.Client(client, {retry: 1});
      }
      link = linkOf(client);
      _.extend(link, _.pick(options || {}, 'token', 'withCredentials'));
      if (link.token) {
        link.kept = true;
        link.open();
      }
      connections.set(this, link);
      return client;
    }

  });

  // Node's `require` gives the class itself; `LiveCollection` and `VERSION`
  // are there for those who take names.
  _.each({LiveCollection: LiveCollection, VERSION: '0.1.0'}, function(value, name) {
    exports[name] = value;
    Object.defineProperty(LiveCollection, name, {value: value});
  });
  return LiveCollection;

});
