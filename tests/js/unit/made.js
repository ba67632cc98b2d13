// A collection over a scripted client and a scripted HTTP, let go when its test ends.
'use strict';

const { it } = require('node:test');
const { LiveCollection, Wire, CHANNEL, spell, rest } = require('../rules/scripted');

const whole = (seq, more) => ({ 'Live-Seq': spell(seq), 'Live-Channel': CHANNEL, ...more });
const push = (method, body, seq, prev, origin) => ({ method, body, seq: spell(seq), prev: prev && spell(prev), origin });

// body(wire, make): `make(models, options, properties)` gives a collection on CHANNEL.
function scripted(name, body) {
  it(name, async () => {
    const wire = new Wire();
    const made = [];
    const make = (models, options, properties) => {
      const Todos = LiveCollection.extend({ url: CHANNEL, ...properties });
      made.push(new Todos(models, { client: wire.client, ...options }));
      return made[made.length - 1];
    };
    const warn = console.warn;
    wire.warnings = [];
    console.warn = (text) => wire.warnings.push(text);
    try {
      await body(wire, make);
    } finally {
      console.warn = warn;
      for (const collection of made) collection.unlisten();
      wire.close();
    }
  });
}

// The collection is live at a5, with these rows.
async function live(wire, make, rows = [], options, properties) {
  const todos = make(null, options, properties);
  await rest();
  wire.client.confirm({ seq: spell('a5') });
  wire.list(rows, whole('a5'));
  await rest();
  return todos;
}

module.exports = { LiveCollection, CHANNEL, spell, rest, whole, push, scripted, live };
