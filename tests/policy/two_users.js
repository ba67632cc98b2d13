// livecollections.js over npm's Faye, in Node: a collection of one user, with a token for REST and for the handshake.
//
//   node two_users.js http://127.0.0.1:8000 TOKEN /api/sheets
'use strict';

const readline = require('node:readline');
const Backbone = require('backbone');
const Faye = require('faye');
const makeAjax = require('../js/ajax');
const LiveCollection = require('../../src/livecollections/browser/livecollections.js');

const [, , url, token, path] = process.argv;
const tell = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const ajax = makeAjax('', 3000);
Backbone.ajax = (params) => ajax({ ...params, headers: { ...params.headers, Authorization: `Bearer ${token}` } });

const client = new Faye.Client(`${url}/faye`);
LiveCollection.connect(client, { token });
const Sheets = LiveCollection.extend({ url: url + path });
const sheets = new Sheets();
sheets.on('live', (collection, state) => tell({ event: 'live', state }));
sheets.on('update change sync', () => tell({ event: 'rows', rows: sheets.toJSON() }));
sheets.on('error', (collection, error) => tell({ event: 'error', text: String(error && error.message || error.status || error) }));

readline.createInterface({ input: process.stdin })
  .on('line', (line) => sheets.create(JSON.parse(line).create))
  .on('close', () => process.exit(0));
