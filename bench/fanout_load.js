// Subscribes with many sockets, publishes with one, counts what arrives. Knows Bayeux, and no server.
//
//   node fanout_load.js URL SUBSCRIBERS MESSAGES TOGETHER
//
// TOGETHER messages are published in one frame, the next when they are answered; 0: each in a frame of its own,
// without waiting. Prints one line of JSON.
'use strict';

const WebSocket = require('ws');

const [url, subscribers, messages, together] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const DATA = { method: 'PUT', body: { id: 7, title: 'x'.repeat(90), completed: true } };
const MARK = Buffer.from('"data":');

let awaited = 0;
let arrived = () => {};

function count(frame) {
  for (let at = frame.indexOf(MARK); at >= 0; at = frame.indexOf(MARK, at + MARK.length)) awaited -= 1;
  if (awaited === 0) arrived();
}

function open() {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { perMessageDeflate: false, skipUTF8Validation: true });
    socket.on('error', reject);
    socket.on('open', () => resolve(socket));
  });
}

function ask(socket, asked, wanted = 1, frames = [asked]) {
  return new Promise((resolve, reject) => {
    const replies = [];
    const listen = (frame) => {
      replies.push(...JSON.parse(frame).filter((message) => message.successful !== undefined));
      if (replies.length < wanted) return;
      socket.off('message', listen);
      const failed = replies.find((reply) => !reply.successful);
      if (failed) reject(new Error(JSON.stringify(failed)));
      else resolve(replies);
    };
    socket.on('message', listen);
    for (const frame of frames) socket.send(JSON.stringify(frame));
  });
}

async function connect(socket) {
  const types = { version: '1.0', supportedConnectionTypes: ['websocket'] };
  const [{ clientId }] = await ask(socket, [{ channel: '/meta/handshake', id: '1', ...types }]);
  const base = { clientId, connectionType: 'websocket' };
  await ask(socket, [{ channel: '/meta/connect', id: '2', advice: { timeout: 0 }, ...base }]);
  socket.send(JSON.stringify([{ channel: '/meta/connect', id: '3', ...base }]));
  return clientId;
}

async function publish(socket, clientId) {
  const message = (number) => ({ channel: '/bench', clientId, data: DATA, id: `p${number}` });
  const all = Array.from({ length: messages }, (_, number) => message(number));
  if (!together) return ask(socket, all, messages, all.map((each) => [each]));
  for (let sent = 0; sent < messages; sent += together) {
    await ask(socket, all.slice(sent, sent + together), together);
  }
}

async function main() {
  for (let number = 0; number < subscribers; number += 1) {
    const socket = await open();
    const clientId = await connect(socket);
    await ask(socket, [{ channel: '/meta/subscribe', clientId, subscription: '/bench', id: '4' }]);
    socket.on('message', count);
  }
  const publisher = await open();
  const clientId = await connect(publisher);
  awaited = subscribers * messages;
  const all = new Promise((resolve) => { arrived = resolve; });
  const begun = process.hrtime.bigint();
  await publish(publisher, clientId);
  await all;
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
  console.log(JSON.stringify({ deliveries: subscribers * messages, seconds }));
  process.exit(0);
}

main().catch((error) => { console.error(String(error)); process.exit(1); });
