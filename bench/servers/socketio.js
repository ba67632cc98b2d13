// npm's socket.io, WebSockets only, without compression.
'use strict';

const http = require('node:http');
const { Server } = require('socket.io');
const { control } = require('./control');

const server = http.createServer();
const io = new Server(server, { transports: ['websocket'], perMessageDeflate: false, serveClient: false });
server.listen(Number(process.argv[2]), '127.0.0.1', 2048);
control(Number(process.argv[3]), (data) => io.emit('bench', data));
