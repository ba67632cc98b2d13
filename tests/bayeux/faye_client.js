// Faye's own client, unmodified, driven line by line: a JSON command on stdin, JSON events on stdout.
// It knows nothing of the server but its address.
'use strict';

const readline = require('node:readline');
const faye = require('faye');
const positions = require('./faye_positions.js');

const clients = new Map();
const subscriptions = new Map();
const tell = (event) => process.stdout.write(JSON.stringify(event) + '\n');

const commands = {
  open({ name, url, transport, resumes }) {
    const client = new faye.Client(url, { retry: 0.2, timeout: 5 });
    if (resumes) positions(client, (lost) => tell({ event: 'lost', name, channel: lost }));
    if (transport !== 'websocket') client.disable('websocket');
    client.on('transport:up', () => tell({ event: 'up', name }));
    client.on('transport:down', () => tell({ event: 'down', name }));
    client.addExtension({
      incoming(message, next) {
        if (message.channel === '/meta/handshake' && message.successful) {
          tell({ event: 'handshake', name, clientId: message.clientId });
        }
        if (message.channel === '/meta/connect' && message.successful) tell({ event: 'connect', name });
        next(message);
      },
    });
    clients.set(name, client);
  },
  subscribe({ name, channel }) {
    const heard = function (data) { tell({ event: 'message', name, channel: this.channel, data }); };
    const subscription = clients.get(name).subscribe(channel).withChannel((actual, data) => {
      heard.call({ channel: actual }, data);
    });
    subscriptions.set(name + channel, subscription);
    subscription.then(
      () => tell({ event: 'subscribed', name, channel }),
      (error) => tell({ event: 'refused', name, channel, code: error.code, params: error.params, message: error.message }),
    );
  },
  cancel({ name, channel }) {
    subscriptions.get(name + channel).cancel();
  },
  publish({ name, channel, data }) {
    clients.get(name).publish(channel, data).then(
      () => tell({ event: 'published', name, channel }),
      (error) => tell({ event: 'refused', name, channel, code: error.code, params: error.params, message: error.message }),
    );
  },
  disconnect({ name }) {
    clients.get(name).disconnect().then(() => tell({ event: 'disconnected', name }));
  },
};

readline.createInterface({ input: process.stdin })
  .on('line', (line) => { const command = JSON.parse(line); commands[command.do](command); })
  .on('close', () => process.exit(0));
