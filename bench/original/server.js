// The article's stack: Express, Mongoose and baucis, whose middleware publishes through Faye.
// `node server.js PORT`; $BENCH_DATABASE is the URL of the database.
'use strict';

const http = require('node:http');
const baucis = require('baucis');
const express = require('express');
const faye = require('faye');
const mongoose = require('mongoose');

const bayeux = new faye.NodeAdapter({ mount: '/faye', timeout: 45 });
const client = bayeux.getClient();
// Faye copies what it is given property by property, so it is given plain values.
const publish = (method, todo) => client.publish('/api/todos', { method, body: { ...todo.toObject(), _id: todo.id } });

const schema = new mongoose.Schema({ title: { type: String, required: true }, completed: Boolean, order: Number });
schema.pre('save', function (next) {
  this.$locals.method = this.isNew ? 'POST' : 'PUT';
  next();
});
schema.post('save', (todo) => publish(todo.$locals.method, todo));
schema.post('remove', (todo) => publish('DELETE', todo));
mongoose.model('Todo', schema);
baucis.rest('Todo');

const application = express();
application.use('/api', baucis());
const server = http.createServer(application);
bayeux.attach(server);
mongoose.connect(process.env.BENCH_DATABASE, { useNewUrlParser: true, useUnifiedTopology: true, useCreateIndex: true }).then(() => {
  server.listen(Number(process.argv[2]), '127.0.0.1', 2048);
});
