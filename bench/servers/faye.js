// npm's faye, as its own documentation sets it up.
'use strict';

const http = require('node:http');
const faye = require('faye');
const { control } = require('./control');

const server = http.createServer();
const bayeux = new faye.NodeAdapter({ mount: '/faye', timeout: 1800 });
bayeux.attach(server);
server.listen(Number(process.argv[2]), '127.0.0.1', 2048);
const client = bayeux.getClient();
control(Number(process.argv[3]), (data) => client.publish('/bench', data));
