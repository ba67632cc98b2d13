// Faye's own server, unmodified. Prints its port, and what was published on it, one JSON object a line; ends with its stdin.
'use strict';

const http = require('node:http');
const faye = require('faye');

const tell = (event) => process.stdout.write(JSON.stringify(event) + '\n');
const bayeux = new faye.NodeAdapter({ mount: '/faye', timeout: Number(process.argv[2] || 2) });
const server = http.createServer();

bayeux.addExtension({
  incoming(message, next) {
    if (message.subscription === '/banned') message.error = '403:/banned:Not for you';
    next(message);
  },
});
bayeux.on('handshake', (clientId) => tell({ event: 'handshake', clientId }));
bayeux.on('subscribe', (clientId, channel) => tell({ event: 'subscribe', channel }));
bayeux.on('unsubscribe', (clientId, channel) => tell({ event: 'unsubscribe', channel }));
bayeux.on('publish', (clientId, channel, data) => tell({ event: 'publish', channel, data }));
bayeux.on('disconnect', () => tell({ event: 'disconnect' }));
bayeux.attach(server);
server.listen(0, '127.0.0.1', () => tell({ event: 'listening', port: server.address().port }));
process.stdin.on('end', () => process.exit(0)).resume();
