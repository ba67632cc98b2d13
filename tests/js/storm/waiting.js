// Waiting for a condition, with a deadline.
'use strict';

// What was waited for did not come.
class Unmet extends Error {}

const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

// The first true answer of `condition()`, which may be a promise; else an error with what `why()` says.
// within: milliseconds, from `since()`.  kind: of the error; one that is not `Unmet` is no word of a judge.
async function until(condition, within, why, { step = 20, since = () => 0, kind = Unmet } = {}) {
  const begun = Date.now();
  for (;;) {
    const answer = await condition();
    if (answer) return answer;
    if (Date.now() > Math.max(begun, since()) + within) throw new kind(await why());
    await pause(step);
  }
}

module.exports = { pause, until, Unmet };
