// Whether a class that was required or imported makes a collection that becomes live and hears a push.
'use strict';

const assert = require('node:assert/strict');
const Backbone = require('backbone');
const fake = require('./fake.cjs');

module.exports = async (LiveCollection) => {
  const client = fake(Backbone, [{ id: 1, title: 'milk' }]);
  const Todos = LiveCollection.extend({ url: '/api/todos' });
  assert.equal(Todos.connect(client), client);
  const todos = new Todos();
  const heard = [];
  todos.on('add', (todo, collection, options) => heard.push([todo.get('title'), options.live === true]));
  assert.ok(todos instanceof Backbone.Collection);
  assert.equal(await todos.whenLive(), todos);
  assert.equal(todos.live, 'live');
  client.push('/api/todos', { method: 'POST', body: { id: 2, title: 'bread' } });
  await new Promise((resolve) => { todos.length === 2 ? resolve() : todos.once('update', resolve); });
  assert.deepEqual(heard, [['milk', false], ['bread', true]]);
  assert.deepEqual(todos.pluck('id'), [1, 2]);
  todos.unlisten();
  assert.equal(todos.live, 'off');
  assert.deepEqual(client.channels(), []);
};
