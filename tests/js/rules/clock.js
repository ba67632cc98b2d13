// Time that moves only when a test says so, in place of the global timers.
'use strict';

const real = { setTimeout, clearTimeout, setInterval, clearInterval, random: Math.random, now: Date.now };

class Clock {
  constructor() {
    this.now = 0;
    this.count = 0;
    this.timers = new Map();
  }

  set(callback, delay = 0, ...args) {
    const id = ++this.count;
    this.timers.set(id, { id, at: this.now + Math.max(0, Number(delay) || 0), run: () => callback(...args) });
    return id;
  }

  clear(id) { this.timers.delete(id); }

  // The timer that is due next, at the latest at `until`.
  next(until = Infinity) {
    let found;
    for (const timer of this.timers.values()) {
      if (timer.at <= until && (!found || timer.at < found.at)) found = timer;
    }
    return found;
  }

  run(timer) {
    this.timers.delete(timer.id);
    this.now = Math.max(this.now, timer.at);
    timer.run();
  }

  // Take the place of the global timers, of Date.now and, with a generator of numbers, of chance.
  install(random) {
    globalThis.setTimeout = (callback, delay, ...args) => this.set(callback, delay, ...args);
    globalThis.clearTimeout = (id) => this.clear(id);
    globalThis.setInterval = () => { throw new Error('setInterval is not expected'); };
    Date.now = () => 1.7e12 + this.now;
    Math.random = random;
  }

  uninstall() {
    const { random, now, ...timers } = real;
    Object.assign(globalThis, timers);
    Math.random = random;
    Date.now = now;
  }
}

// A small generator of numbers in [0, 1): the same for the same seed.
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// All promises that can settle have settled.
function settled() { return new Promise((resolve) => { setImmediate(resolve); }); }

module.exports = { Clock, generator, settled };
