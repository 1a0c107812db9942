// Virtual time: Date.now() and timers go on only when pass() says so.
const real = { now: Date.now, setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
let now = 0;
let timers = new Map();
let n = 0;

/** From here on, until leave(), it is `start` (Unix milliseconds). */
export function enter(start) {
  now = start;
  timers = new Map();
  Date.now = () => now;
  globalThis.setTimeout = (run, ms = 0) => {
    const id = ++n;
    timers.set(id, { at: now + Math.max(0, ms), run });
    return id;
  };
  globalThis.clearTimeout = (id) => void timers.delete(id);
}

export function leave() {
  Date.now = real.now;
  globalThis.setTimeout = real.setTimeout;
  globalThis.clearTimeout = real.clearTimeout;
}

/** Lets this many milliseconds pass: each timer at its time, and promises settle after it. */
export async function pass(ms) {
  const end = now + ms;
  for (;;) {
    await settle();
    const [id, timer] = [...timers].filter(([, t]) => t.at <= end).sort(([, a], [, b]) => a.at - b.at)[0] ?? [];
    if (!timer) break;
    timers.delete(id);
    now = Math.max(now, timer.at);
    timer.run();
  }
  now = end;
  await settle();
}

async function settle() {
  for (let i = 0; i < 50; i++) await null;
}
