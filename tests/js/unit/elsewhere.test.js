// Beside another server: npm's faye, which knows nothing of positions, and a REST that says nothing of seqs.
'use strict';

const assert = require('node:assert/strict');
const http = require('node:http');
const { it } = require('node:test');
const faye = require('faye');
const Backbone = require('backbone');
const { LiveCollection } = require('./made');

const within = async (condition, seconds = 5) => {
  const deadline = Date.now() + seconds * 1000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'the condition did not come true in time');
    await new Promise((resolve) => { setImmediate(resolve); });
  }
};

// npm's faye, a client of it, and reads that are answered with these rows; writes are held.
async function beside(rows, body) {
  const bayeux = new faye.NodeAdapter({ mount: '/faye', timeout: 5 });
  const server = http.createServer();
  bayeux.attach(server);
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const client = new faye.Client(`http://127.0.0.1:${server.address().port}/faye`, { retry: 1 });
  const held = [];
  const ajax = Backbone.ajax;
  Backbone.ajax = (options) => {
    if (options.type === 'GET') Promise.resolve().then(() => options.success([...rows.values()]));
    else held.push(options);
    return options;
  };
  const todos = new (LiveCollection.extend({ url: '/todos' }))(null, { client });
  try {
    await body({ todos, client, bayeux, held });
  } finally {
    Backbone.ajax = ajax;
    todos.unlisten();
    await Promise.all([client.disconnect(), bayeux.getClient().disconnect()]);
    bayeux.close();
    server.closeAllConnections();
    await new Promise((resolve) => { server.close(resolve); });
  }
}

it('the original’s server: pushes of its shape, and own creates matched by id when they are answered', () => beside(
  new Map([[1, { id: 1, title: 'one' }]]), async ({ todos, bayeux, held }) => {
    const publish = (method, body) => bayeux.getClient().publish('/todos', { method, body });
    await todos.whenLive();
    assert.deepEqual(todos.toJSON(), [{ id: 1, title: 'one' }]);
    publish('PUT', { id: 1, title: 'two' });
    await within(() => todos.get(1).get('title') === 'two');
    const model = todos.create({ title: 'mine' });
    publish('POST', { id: 2, title: 'mine' });
    publish('POST', { id: 3, title: 'a stranger’s' });
    publish('DELETE', { id: 1 });
    await within(() => !todos.get(1));
    assert.deepEqual(todos.pluck('title'), ['mine']);
    assert.equal(held[0].headers, undefined);
    held[0].success({ id: 2, title: 'mine' });
    assert.deepEqual(todos.pluck('id').sort(), [2, 3]);
    assert.equal(todos.get(2), model);
  }));

it('a collection that is let go offline, before its subscription is answered, leaves none', async () => {
  const handlers = {};
  globalThis.addEventListener = (name, handler) => { handlers[name] = handler; };
  globalThis.removeEventListener = (name) => { delete handlers[name]; };
  try {
    await beside(new Map(), async ({ todos, client }) => {
      await Promise.resolve();
      handlers.offline();
      todos.unlisten();
      await client.subscribe('/probe');
      await within(() => client._channels.getKeys().join() === '/probe');
    });
    assert.deepEqual(handlers, {});
  } finally {
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  }
});
