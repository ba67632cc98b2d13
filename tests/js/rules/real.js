// A live collection against the real server, over Faye's own client and real sockets, with lines that break;
// then what the server said, fed to fresh collections in other interleavings.
//
//   node real.js http://127.0.0.1:8000 --seed 1 --rounds 60
//
// Writes one line of JSON. The server offers {id, title, done, note} at /api/todos.
'use strict';

const assert = require('node:assert/strict');
const { parseArgs } = require('node:util');
const Backbone = require('backbone');
const Faye = require('faye');
const makeAjax = require('../ajax');
const { generator } = require('./clock');
const { LiveCollection, Wire, CHANNEL, rest } = require('./scripted');

const { values, positionals: [base] } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '60' },
    interleavings: { type: 'string', default: '40' }
  }
});
const ajax = makeAjax(base);
const random = generator(Number(values.seed));
const below = (n) => Math.floor(random() * n);
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const rows = (list) => new Map(list.map((row) => [row.id, row]));

async function getList() {
  const answer = await fetch(base + CHANNEL);
  return { seq: answer.headers.get('Live-Seq'), body: await answer.json() };
}

// What is said on the channel from now on, by a client whose line never breaks.
async function listen(transport) {
  const client = new Faye.Client(base + '/faye', { retry: 0.2 });
  if (transport === 'long-polling') client.disable('websocket');
  const heard = { pushes: [], lists: [], client };
  client.addExtension({
    incoming(message, callback) {
      if (message.channel === '/meta/subscribe') heard.start = message.ext.live.seq;
      callback(message);
    }
  });
  await client.subscribe(CHANNEL, (data) => heard.pushes.push(data));
  return heard;
}

function breakLine(client) {
  const sockets = client._dispatcher.transports.websocket;
  for (const transport of sockets ? sockets.values() : []) if (transport._socket) transport._socket.close();
}

async function stranger() {
  const { body } = await getList();
  const row = body[below(body.length || 1)];
  const headers = { 'Content-Type': 'application/json' };
  const send = (method, path, data) => fetch(base + path, { method, headers, body: JSON.stringify(data) });
  const choice = below(4);
  if (choice === 0 || !row) return send('POST', CHANNEL, { title: `s${below(1e6)}`, done: false, note: null });
  if (choice === 1) return fetch(`${base}${CHANNEL}/${row.id}`, { method: 'DELETE' });
  return send('PATCH', `${CHANNEL}/${row.id}`, { title: `s${below(1e6)}`, done: below(2) === 1 });
}

function own(collection) {
  const model = collection.at(below(collection.length || 1));
  const wait = below(3) === 0;
  const choice = below(6);
  if (choice < 2 || !model || model.isNew()) {
    collection.create({ title: `u${below(1e6)}`, done: false, note: 'n' }, { wait });
  } else if (choice === 2) model.destroy({ wait });
  else if (choice === 3) model.save({ done: !model.get('done') }, { patch: true, wait });
  else if (choice === 4) collection.fetch();
  else model.save({ title: `u${below(1e6)}` }, { wait });
}

async function drive(collection, client, heard) {
  const strangers = [];
  for (let i = 0; i < Number(values.rounds); i++) {
    own(collection);
    if (below(2)) strangers.push(stranger());
    if (below(8) === 0) breakLine(client);
    if (below(4) === 0) heard.lists.push(await getList());
    await pause(below(20));
  }
  await Promise.all(strangers);
}

function equals(collection, list) {
  const truth = rows(list);
  const models = collection.filter((model) => !model.isNew() && !model.unsaved);
  return models.length === truth.size && collection.length === truth.size && models.every((model) => {
    const row = truth.get(model.id);
    return row && JSON.stringify(Object.entries(model.attributes).sort()) ===
      JSON.stringify(Object.entries(row).sort());
  });
}

async function waitEqual(collection) {
  const until = Date.now() + 15000;
  for (;;) {
    const { body } = await getList();
    if (equals(collection, body)) return body;
    if (Date.now() > until) {
      assert.deepEqual(Object.fromEntries(rows(collection.toJSON())), Object.fromEntries(rows(body)));
    }
    await pause(50);
  }
}

// The same, told to a fresh collection: pushes in order, in batches, lists begun and answered anywhere.
async function retell(heard) {
  const wire = new Wire();
  const Todos = LiveCollection.extend({ url: CHANNEL });
  const collection = new Todos([], { client: wire.client });
  const reads = [];
  const asked = (position) => {
    for (const request of wire.waiting) {
      if (request.isList && !reads.some((read) => read.request === request)) reads.push({ request, position });
    }
  };
  try {
    await rest();
    wire.client.confirm({ seq: heard.start });
    let position = heard.start;
    let next = 0;
    asked(position);
    while (next < heard.pushes.length || wire.waiting.length || wire.client.unanswered.length) {
      const choice = below(4);
      if (choice === 0 && reads.length) {
        const { request, position: at } = reads.shift();
        const answers = heard.lists.filter((list) => list.seq >= at);
        const { seq, body } = answers[below(answers.length)];
        wire.reply(request, 200, { 'Live-Seq': seq, 'Live-Channel': CHANNEL }, structuredClone(body));
      } else if (choice === 1 && next < heard.pushes.length && below(3) === 0) {
        collection.fetch();
      } else if (wire.client.unanswered.length) {
        assert.fail('it sees a gap where there is none');
      } else {
        const batch = heard.pushes.slice(next, next + 1 + below(4));
        next += batch.length;
        if (batch.length) position = batch[batch.length - 1].seq;
        wire.client.push(structuredClone(batch));
      }
      await rest();
      asked(position);
    }
    const final = heard.lists[heard.lists.length - 1];
    assert.ok(equals(collection, final.body),
      JSON.stringify([collection.toJSON(), final.body, collection.live]));
  } finally {
    collection.unlisten();
    wire.close();
  }
}

async function live(transport) {
  const heard = await listen(transport);
  const client = new Faye.Client(base + '/faye', { retry: 0.2 });
  if (transport === 'long-polling') client.disable('websocket');
  const Todos = LiveCollection.extend({ url: CHANNEL });
  const collection = new Todos([], { client });
  await collection.whenLive();
  await drive(collection, client, heard);
  await waitEqual(collection);
  const last = await getList();
  const until = Date.now() + 5000;
  while (heard.pushes.length && heard.pushes[heard.pushes.length - 1].seq < last.seq && Date.now() < until) {
    await pause(20);
  }
  heard.lists.push(last);
  collection.unlisten();
  client.disconnect();
  heard.client.disconnect();
  return heard;
}

async function main() {
  const report = {};
  for (const transport of ['websocket', 'long-polling']) {
    Backbone.ajax = ajax;
    const heard = await live(transport);
    for (let i = 0; i < Number(values.interleavings); i++) await retell(heard);
    report[transport] = { pushes: heard.pushes.length, lists: heard.lists.length };
  }
  process.stdout.write(JSON.stringify(report) + '\n');
  process.exit(0);
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
