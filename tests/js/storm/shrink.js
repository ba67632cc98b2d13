// Makes a failure small enough to read: leaves out steps of its history for as long as it fails without them.
//
// Rule: time is real, so that it passes once without a step does not say that it needs it; what is left fails, and is
// seldom the least.
'use strict';

const TRIES = 60;

// failure: the first one.  steps: the numbers of all.  play: plays those given; what went wrong, or undefined.
async function shrink(failure, steps, play) {
  let kept = steps, least = failure, tries = 0;
  for (let size = kept.length >> 1; size >= 1; size >>= 1) {
    for (let first = 0; first < kept.length && tries < TRIES; tries++) {
      const fewer = kept.filter((_, index) => index < first || index >= first + size), found = await play(fewer);
      if (found) [kept, least] = [fewer, found];
      else first += size;
    }
  }
  return { kept, failure: least };
}

module.exports = { shrink };
