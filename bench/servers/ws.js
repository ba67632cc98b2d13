// npm's ws: one prebuilt string to every socket, the text that our server sends.
'use strict';

const { WebSocketServer } = require('ws');
const { control, DATA } = require('./control');

const server = new WebSocketServer({
  port: Number(process.argv[2]), host: '127.0.0.1', backlog: 2048, perMessageDeflate: false,
});
const text = JSON.stringify([{ channel: '/bench', data: DATA }]);
control(Number(process.argv[3]), () => {
  for (const socket of server.clients) socket.send(text);
});
