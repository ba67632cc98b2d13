// Collections are made and let go again and again on one client of Faye's: what is left?
//
//   node --expose-gc rounds.cjs http://127.0.0.1:8000 1000
//
// Writes a line of JSON when the rounds are done, disconnects when its stdin ends, and ends by itself.
'use strict';

const Backbone = require('backbone');
const LiveCollection = require('livecollections');

const [base, count] = process.argv.slice(2);
const SETTLED = 0.4;    // of the rounds: from then on the heap is compared

Backbone.ajax = (options) => {
  const xhr = { getResponseHeader: (name) => xhr.answer.headers.get(name) };
  fetch(base + options.url, { headers: options.headers }).then(async (answer) => {
    xhr.answer = answer;
    return answer.json();
  }).then((rows) => options.success(rows, 'success', xhr), () => options.error(xhr, 'error'));
  return xhr;
};

const client = LiveCollection.connect(base + '/faye');
const Todos = LiveCollection.extend({ url: '/api/todos' });
const turn = () => new Promise((resolve) => { setImmediate(resolve); });

// Where in its life a collection is let go.
const ways = {
  'at once': (todos) => todos.unlisten(),
  'when it has asked': async (todos) => {
    await null;
    todos.unlisten();
  },
  'when some have answered': async (todos) => {
    await turn();
    await turn();
    todos.unlisten();
  },
  'when it is live': async (todos) => (await todos.whenLive()).unlisten(),
  'twice': async (todos) => {
    (await todos.whenLive()).unlisten();
    (await todos.listen().whenLive()).unlisten();
  },
  'beside another': async (todos) => {
    const other = new Todos();
    await Promise.all([todos.whenLive(), other.whenLive()]);
    todos.unlisten();
    other.unlisten();
  }
};

const left = () => ({
  channels: client._channels.getKeys(),
  extensions: (client._extensions || []).length,
  listeners: client.countListeners('transport:down')
});

async function heap() {
  for (let i = 0; i < 5; i++) {
    await turn();
    globalThis.gc();
  }
  return process.memoryUsage().heapUsed;
}

async function main() {
  const before = left(), refs = [], done = {};
  let settled;
  const names = Object.keys(ways);
  for (let i = 0; i < Number(count); i++) {
    const name = names[i % names.length];
    if (i === Math.floor(Number(count) * SETTLED)) settled = await heap();
    let todos = new Todos();
    refs.push(new WeakRef(todos));
    await ways[name](todos);
    todos = null;
    done[name] = (done[name] || 0) + 1;
  }
  const last = await new Todos().whenLive();
  const after = { rows: last.length, ...left() };
  last.unlisten();
  const grown = await heap() - settled;
  const alive = refs.filter((ref) => ref.deref()).length;
  console.log(JSON.stringify({ done, before, after, left: left(), grown, alive }));
  process.stdin.resume().once('end', () => client.disconnect());
}

main();
