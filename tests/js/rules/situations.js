// What must have occurred often enough in a run, and what else is counted.
'use strict';

const OF_WRITES = [
  'push before answer',
  'answer lost after commit',
  ...['save', 'create', 'destroy'].flatMap((kind) => [`4xx on ${kind}`, `5xx on ${kind}`]),
  'two saves answered in reverse',
  'GET begun before and answered after a push',
  'GET between commit and answer of a POST',
  "DELETE before the POST's answer"
];

const SITUATIONS = [
  ...OF_WRITES,
  ...OF_WRITES.map((name) => `${name}, wait: true`),
  'reset',
  'epoch change',
  'last message lost on a quiet channel',
  'one model in two collections',
  'field removed',
  'no-op PUT',
  'fetch({data})',
  'Live-Signal list',
  'two collections on one client and channel',
  'list with Live-Until',
  'change between two pages'
];

const OTHERS = ['session lost', 'log went back in its epoch', 'messages lost on a line that stays up'];

module.exports = { SITUATIONS, OTHERS };
