// npm's faye server, as its own documentation sets it up.
'use strict';

const http = require('node:http');
const faye = require('faye');

const server = http.createServer();
new faye.NodeAdapter({ mount: '/faye', timeout: 60 }).attach(server);
server.listen(Number(process.argv[2]), '127.0.0.1');
