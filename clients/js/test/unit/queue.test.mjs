// The queue in virtual time: what is sent when, what is kept, dropped and counted.
import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { test } from 'node:test';

import { EventQueue, MemoryStore, Say, ServerClock, UuidMaker } from '@cohortd/client-core';

import { listener } from '../harness.mjs';
import { enter, leave, pass } from '../virtual.mjs';

const DOWN = { kind: 'wait', retryAfterMs: undefined, why: 'ECONNREFUSED' };
const TAKEN = { kind: 'answered', refused: new Map() };

/** A queue whose server answers what `answer(events, n)` returns; `sent` has every attempt. */
function queue(t, answer, options = {}) {
  enter(1_790_000_000_000);
  t.after(leave);
  const sent = [];
  const log = listener();
  const q = new EventQueue({
    store: new MemoryStore(),
    sender: {
      async send(kind, events) {
        sent.push({ kind, at: Date.now(), bodies: events.map((e) => e.body) });
        return answer(events, sent.length, kind);
      },
    },
    clock: new ServerClock(),
    uuids: new UuidMaker((bytes) => webcrypto.getRandomValues(bytes)),
    say: new Say(log),
    chance: () => 0.5,
    maxQueued: 1000,
    maxBatch: 100,
    maxBytes: 1_000_000,
    intervalMs: 1000,
    keepalive: false,
    ...options,
  });
  return { q, sent, said: log.said };
}

const outcome = (n) => ({ name: 'buy', units: { user: `c-${n}` } });

test('events wait for others and go in one batch, oldest first', async (t) => {
  const { q, sent } = queue(t, () => TAKEN);
  for (let i = 0; i < 5; i++) q.add('outcomes', outcome(i));
  await pass(750);
  assert.equal(sent.length, 0);
  await pass(500);
  assert.deepEqual(sent.map((s) => s.bodies.map((b) => JSON.parse(b).units.user)), [['c-0', 'c-1', 'c-2', 'c-3', 'c-4']]);
  assert.deepEqual(q.stats, { queued: 0, accepted: 5, rejected: 0, dropped: 0, retries: 0 });
});

test('a full batch does not wait; exposures go before outcomes', async (t) => {
  const { q, sent } = queue(t, () => TAKEN, { maxBatch: 10 });
  for (let i = 0; i < 9; i++) q.add('outcomes', outcome(i));
  q.add('exposures', { experiment: 'cta' });
  await pass(0);
  assert.deepEqual(sent.map((s) => [s.kind, s.bodies.length]), [['exposures', 1], ['outcomes', 9]]);
});

test('down for an hour: about one attempt a minute, nothing lost, the same bytes each time', async (t) => {
  let up = false;
  const { q, sent, said } = queue(t, () => (up ? TAKEN : DOWN));
  for (let i = 0; i < 30; i++) q.add('outcomes', outcome(i));
  await pass(3_600_000);
  assert.ok(sent.length > 60 && sent.length < 100, `${sent.length} attempts`);
  assert.equal(q.stats.queued, 30);
  assert.equal(new Set(sent.map((s) => s.bodies.join())).size, 1);
  assert.deepEqual(said, ['cohortd: events can\'t be sent now and are kept: ECONNREFUSED']);
  up = true;
  await pass(61_000);
  assert.deepEqual([q.stats.queued, q.stats.accepted], [0, 30]);
  assert.equal(said[1], 'cohortd: events are taken again.');
});

test('new events do not cut a pause short', async (t) => {
  const { q, sent } = queue(t, () => DOWN);
  for (let i = 0; i < 40; i++) {
    q.add('outcomes', outcome(i));
    await pass(250);
  }
  const gaps = sent.slice(1).map((s, i) => s.at - sent[i].at);
  assert.deepEqual(gaps.map((g) => Math.round(g / 500)).slice(0, 3), [2, 3, 6], String(gaps));
});

test('Retry-After is waited for, by flush() too', async (t) => {
  const { q, sent } = queue(t, (events, n) => (n === 1 ? { ...DOWN, retryAfterMs: 20_000 } : TAKEN));
  q.add('outcomes', outcome(1));
  await pass(1_000);
  assert.equal(sent.length, 1);
  q.wake();
  void q.flush(30_000);
  await pass(19_000);
  assert.equal(sent.length, 1);
  await pass(4_000);
  assert.equal(sent.length, 2);
  assert.ok(sent[1].at - sent[0].at >= 20_000);
});

test('a full queue drops its oldest, counts them and says so once', async (t) => {
  const { q, said } = queue(t, () => DOWN, { maxQueued: 10 });
  for (let i = 0; i < 25; i++) q.add('outcomes', outcome(i));
  assert.deepEqual([q.stats.queued, q.stats.dropped], [10, 15]);
  assert.deepEqual(said.filter((s) => s.includes('full')), ['cohortd: the event queue is full (10); its oldest events are dropped and counted.']);
});

test('what is on its way is not dropped meanwhile: it may be taken', async (t) => {
  let answer;
  const { q } = queue(t, () => new Promise((resolve) => (answer = resolve)), { maxQueued: 5, maxBatch: 5 });
  for (let i = 0; i < 5; i++) q.add('outcomes', outcome(i));
  await pass(1);
  q.add('outcomes', outcome(6));
  answer(TAKEN);
  await pass(1);
  const { accepted, dropped } = q.stats;
  assert.deepEqual([accepted, dropped], [5, 0]);
});

test('a batch that is too large is halved; an event that is too large alone is given up', async (t) => {
  const poison = (events) => events.some((e) => e.body.includes('c-7"'));
  const { q, sent, said } = queue(t, (events) => (poison(events) ? { kind: 'unfit', why: '413' } : TAKEN));
  for (let i = 0; i < 20; i++) q.add('outcomes', outcome(i));
  await pass(5_000);
  assert.deepEqual(q.stats, { queued: 0, accepted: 19, rejected: 1, dropped: 0, retries: 0 });
  assert.ok(sent.length <= 10, String(sent.length));
  assert.deepEqual(said, ['cohortd: an event was refused and given up: 413']);
});

test('what the server refuses is counted, and each code said once with its reason', async (t) => {
  const refuse = (events) => ({ kind: 'answered', refused: new Map(events.slice(1).map((e) => [e.id, { code: 'unknown_event', reason: 'a typo?' }])) });
  const { q, said } = queue(t, refuse);
  for (let i = 0; i < 3; i++) q.add('outcomes', outcome(i));
  await pass(2_000);
  assert.deepEqual([q.stats.queued, q.stats.accepted, q.stats.rejected], [0, 1, 2]);
  assert.deepEqual(said, ['cohortd: the server refused an event (unknown_event): a typo?']);
});

test('a value that is no finite number is refused at once', (t) => {
  const { q, said } = queue(t, () => TAKEN);
  for (const value of [NaN, Infinity, '7', null]) q.add('outcomes', { ...outcome(1), value });
  assert.deepEqual([q.stats.queued, q.stats.rejected, said.length], [0, 4, 1]);
});

test('close sends what waits, trying again until its time is over, and says what is left', async (t) => {
  const { q, sent } = queue(t, (events, n) => (n < 3 ? DOWN : TAKEN));
  q.add('outcomes', outcome(1));
  const left = q.close(10_000);
  await pass(10_000);
  assert.equal(await left, 0);
  assert.equal(sent.length, 3);

  q.add('outcomes', outcome(2));
  assert.equal(q.stats.queued, 0, 'after close nothing is taken');
});

test('close gives up in time when the server stays away', async (t) => {
  const { q } = queue(t, () => DOWN);
  for (let i = 0; i < 4; i++) q.add('outcomes', outcome(i));
  const left = q.close(5_000);
  await pass(5_500);
  assert.equal(await left, 4);
});

test('when somebody else is sending, it waits for its turn', async (t) => {
  let busy = true;
  const exclusively = async (work) => (busy ? false : (await work(), true));
  const { q, sent } = queue(t, () => TAKEN, { exclusively });
  q.add('outcomes', outcome(1));
  await pass(5_000);
  assert.equal(sent.length, 0);
  busy = false;
  await pass(1_000);
  assert.equal(sent.length, 1);
});

test('a page that is left sends its own first, then what it found when it came, and not what others made since', async (t) => {
  const store = new MemoryStore();
  const wait = { store, ready: () => false };
  const { q: earlier } = queue(t, () => DOWN, wait);
  earlier.add('outcomes', outcome(1));
  const { q, sent } = queue(t, () => TAKEN, { store });
  const { q: other } = queue(t, () => DOWN, wait);
  other.add('outcomes', outcome(2));
  q.add('outcomes', outcome(3));
  q.sendNow(60_000);
  await pass(0);
  assert.deepEqual(sent.map((s) => s.bodies.map((b) => JSON.parse(b).units.user)), [['c-3', 'c-1']]);
  assert.equal(q.stats.queued, 1);
});

/** A machine's clock that turns out to be an hour fast with the first answer, which refuses the events for their time. */
function fast(code) {
  const clock = { skewMs: 0, now: () => Date.now() + clock.skewMs };
  const refuse = (events) => {
    clock.skewMs = -3_600_000;
    return { kind: 'answered', refused: new Map(events.map((e) => [e.id, { code, reason: 'an hour' }])) };
  };
  return { clock, refuse };
}

const hourAgo = (before, after) => assert.equal(Date.parse(JSON.parse(after.bodies[0]).ts), Date.parse(JSON.parse(before.bodies[0]).ts) - 3_600_000);

test('an event whose time was mended is still its page\'s: it goes when the page is left', async (t) => {
  const { clock, refuse } = fast('from_the_future');
  const { q, sent } = queue(t, (events, n) => (n === 1 ? refuse(events) : n === 2 ? DOWN : TAKEN), { clock });
  q.add('outcomes', outcome(1));
  await pass(1500);
  assert.deepEqual([sent.length, q.stats.queued], [2, 1]);
  q.sendNow(60_000);
  await pass(0);
  assert.deepEqual([sent.length, q.stats.accepted], [3, 1]);
  hourAgo(sent[0], sent[2]);
});

test('whoever sends an event mends its time; what another made and is too old may just be old', async (t) => {
  for (const [code, accepted, rejected] of [['from_the_future', 1, 0], ['too_old', 0, 1]]) {
    const store = new MemoryStore();
    const { clock, refuse } = fast(code);
    const { q: maker } = queue(t, () => DOWN, { store, ready: () => false });
    maker.add('outcomes', outcome(1));
    const { q, sent } = queue(t, (events, n) => (n === 1 ? refuse(events) : TAKEN), { store, clock });
    await pass(3000);
    assert.deepEqual([q.stats.accepted, q.stats.rejected, q.stats.queued], [accepted, rejected, 0], code);
    if (accepted) hourAgo(sent[0], sent[1]);
  }
});
