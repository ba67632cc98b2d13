// The collections that every case of this folder runs on: Backbone's own, ours as it comes (no connection
// to a server of ours), and ours live: confirmed by a quiet server, with the models given as bootstrapped.
//
// Rule: a case knows nothing of the three. It makes its collection with `kit.make`, and answers the requests
// that `Backbone.ajax` recorded.
'use strict';

const path = require('node:path');
const { describe, it } = require('node:test');
const Backbone = require('backbone');

const LIBRARY = process.env.LIVE_LIBRARY ||
  path.join(__dirname, '../../../src/livecollections/browser/livecollections.js');
const ONLY = process.env.LIVE_VARIANT;

// A seq of the only epoch that these cases know.
function seq(place) {
  return '5e1f03aa' + place.toString(16).padStart(16, '0') + '0b52';
}

// A Bayeux client whose server confirms each subscription and never says more.
function quietClient() {
  const extensions = [];
  let ids = 0;
  const pass = (stage, message) => {
    let result = message;
    for (const extension of extensions) {
      if (extension[stage]) extension[stage](result, (next) => { result = next; });
    }
    return result;
  };
  return {
    addExtension(extension) { extensions.push(extension); },
    removeExtension(extension) { extensions.splice(extensions.indexOf(extension), 1); },
    bind() {},
    unbind() {},
    subscribe(channel) {
      const id = String(++ids);
      const request = pass('outgoing', { channel: '/meta/subscribe', subscription: channel, id });
      const since = request.ext && request.ext.live && request.ext.live.since;
      const settled = Promise.resolve().then(() => pass('incoming', {
        channel: '/meta/subscribe', subscription: channel, id, clientId: 'quiet', successful: true,
        ext: { live: { seq: since || seq(1) } }
      }));
      return { then: (done, failed) => settled.then(done, failed), cancel() {} };
    }
  };
}

class Requests {
  constructor(numbered) {
    this.numbered = numbered;
    this.list = [];
    this.place = 1;
  }

  get length() { return this.list.length; }
  get last() { return this.list[this.list.length - 1]; }

  record(params) {
    const headers = {};
    const xhr = {
      status: 0,
      setRequestHeader: (name, value) => { headers[name] = value; },
      getResponseHeader: (name) => (xhr.answered && xhr.answered[name]) || null,
      abort() {}
    };
    if (params.beforeSend) params.beforeSend(xhr);
    const { type, url, data, contentType } = params;
    this.list.push({ type, url, data, contentType, params, xhr });
    return xhr;
  }

  // The newest request (or this one) is answered as our server would.
  answer(body, request = this.last) {
    request.xhr.status = body === undefined ? 204 : 200;
    if (this.numbered) {
      request.xhr.answered = { 'Live-Seq': seq(++this.place) };
      if (Array.isArray(body)) request.xhr.answered['Live-Channel'] = '/things';
    }
    request.params.success(body, 'success', request.xhr);
  }

  fail(status = 500, request = this.last) {
    request.xhr.status = status;
    request.params.error(request.xhr, 'error', 'Failure');
  }
}

const variants = [
  { name: 'Backbone.Collection', Collection: Backbone.Collection }
];

if (ONLY !== 'backbone') {
  const LiveCollection = require(LIBRARY);
  const OursLive = LiveCollection.extend({ url: '/things' });
  variants.push(
    { name: 'LiveCollection', Collection: LiveCollection },
    { name: 'LiveCollection, live', Collection: OursLive, live: true }
  );
}

function makeKit(variant) {
  const requests = new Requests(variant.live);
  return {
    name: variant.name,
    Collection: variant.Collection,
    Model: Backbone.Model,
    requests,

    // `new Class(models, options)`, settled.
    async make(models, options, Class = variant.Collection) {
      if (!variant.live) return new Class(models, options);
      const collection = new Class(models, { client: quietClient(), seq: seq(1), ...options });
      await collection.whenLive();
      return collection;
    },

    // What happens on an object, as [name, …arguments].
    record(object, names) {
      const events = [];
      object.on('all', (name, ...args) => {
        if (!names || names.split(' ').includes(name)) events.push([name, ...args]);
      });
      return events;
    }
  };
}

const names = (events) => events.map((event) => event[0]);

// One suite of cases, run on each variant with a fresh recorder of requests.
function suite(title, cases) {
  for (const variant of variants) {
    describe(`${title}: ${variant.name}`, () => {
      cases((name, body) => it(name, async () => {
        const kit = makeKit(variant);
        const ajax = Backbone.ajax;
        Backbone.ajax = (params) => kit.requests.record(params);
        try {
          await body(kit);
        } finally {
          Backbone.ajax = ajax;
        }
      }));
    });
  }
}

module.exports = { suite, names };
