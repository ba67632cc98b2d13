// The port by which the load generator has a server publish: BURST messages a turn of the loop, never more than WINDOW
// beyond what was acknowledged. `go BURST WINDOW`, `ack N`, `stop` (answered with `stopped N`), `collect` (`collected`).
'use strict';

const net = require('node:net');
const readline = require('node:readline');

const DATA = { method: 'PUT', body: { id: 7, title: '~' + 'x'.repeat(69), completed: true } };

function control(port, publish) {
  let [isOn, isWaiting, burst, window, published, acknowledged] = [false, false, 0, 0, 0, 0];

  function turn() {
    isWaiting = isOn && published + burst > acknowledged + window;
    if (!isOn || isWaiting) return;
    for (let each = 0; each < burst; each += 1) publish(DATA);
    published += burst;
    setImmediate(turn);
  }

  const commands = {
    go(socket, ...sizes) {
      [isOn, published, acknowledged] = [true, 0, 0];
      [burst, window] = sizes;
      setImmediate(turn);
    },
    ack(socket, count) {
      acknowledged = count;
      if (isWaiting) turn();
    },
    stop(socket) {
      isOn = false;
      socket.write(`stopped ${published}\n`);
    },
    collect(socket) {
      global.gc();
      global.gc();
      socket.write('collected\n');
    },
  };

  net.createServer((socket) => {
    socket.setNoDelay();
    socket.on('error', () => {});
    readline.createInterface({ input: socket }).on('line', (line) => {
      const [name, ...values] = line.split(' ');
      // Whoever else tries this port is no reason to end: what was measured so far would be lost.
      if (!Object.hasOwn(commands, name)) return socket.destroy(console.error(`not of the load generator: ${line}`));
      commands[name](socket, ...values.map(Number));
    });
  }).listen(port, '127.0.0.1');
}

module.exports = { control, DATA };
