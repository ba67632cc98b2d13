// Who writes and who listens while a server is killed: todos are created one after the other, and heard by three.
//
//   node witness.js ours|original PORT
//
// The server is up at first: nothing is created before all listen, and then a line says so. A line of standard input ends
// it, once something is heard again that was created after it. One line of JSON tells how many creates were acknowledged,
// by an answer that was read to its end, and how many of these nobody has heard.
'use strict';

const { setTimeout: delay } = require('node:timers/promises');
const Backbone = require('backbone');
const faye = require('faye');
const ajax = require('../../tests/js/ajax');
const LiveCollection = require('../../src/livecollections/browser/livecollections');

const [kind, port] = process.argv.slice(2);
const LISTENERS = 3, RETRY = 1, TURN = 20, LAST = 5_000, PATIENCE = 60_000;
const base = `http://127.0.0.1:${port}`;
const acknowledged = new Set(), heard = new Set();
const hear = (title) => heard.add(Number(title.slice(1)));
let sent = 0, isOver = false;

const listen = {
  original: (client) => client.subscribe('/api/todos', ({ body }) => hear(body.title)),
  ours: (client) => {
    const Todo = Backbone.Model.extend({ idAttribute: '_id' });
    const Todos = LiveCollection.extend({ url: '/api/todos', model: Todo });
    Todos.connect(client);
    const todos = new Todos().on('add', (todo) => hear(todo.get('title')));
    return new Promise((listening) => todos.once('sync', listening));
  },
};

async function write() {
  while (!isOver) {
    const number = sent++;
    const body = JSON.stringify({ title: `t${number}`, completed: false });
    try {
      const headers = { 'Content-Type': 'application/json' };
      const answer = await fetch(`${base}/api/todos`, { method: 'POST', headers, body, signal: AbortSignal.timeout(5_000) });
      await answer.text();
      if (answer.status === 201) acknowledged.add(number);
    } catch {
      await delay(TURN);
    }
  }
}

async function until(isSo, milliseconds) {
  for (const end = Date.now() + milliseconds; !isSo() && Date.now() < end; ) await delay(TURN);
}

const lost = () => [...acknowledged].filter((number) => !heard.has(number)).length;

Backbone.ajax = ajax(base, 5_000);
const clients = Array.from({ length: LISTENERS }, () => new faye.Client(`${base}/faye`, { retry: RETRY }));
Promise.all(clients.map((client) => listen[kind](client))).then(() => {
  process.stdout.write('all listen\n');
  const writing = write();
  process.stdin.once('data', async () => {
    const first = sent;
    await until(() => [...heard].some((number) => number >= first), PATIENCE);
    isOver = true;
    await writing;
    await until(() => lost() === 0, LAST);
    process.stdout.write(JSON.stringify({ acknowledged: acknowledged.size, lost: lost() }) + '\n', () => process.exit());
  });
});
