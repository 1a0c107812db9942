// tests/vectors/event_retries.json: what every client's queue sends when the server answers so (see clients/README.md).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { backoff, retryAfter, withRetryAfter } from '@cohortd/client-core';
import { CohortProvider } from '@cohortd/openfeature-server';

import { listener, troubleServer, until } from '../harness.mjs';

const TOP = process.env.TOP ?? fileURLToPath(new URL('../../../../', import.meta.url));
const vectors = JSON.parse(readFileSync(join(TOP, 'tests/vectors/event_retries.json'), 'utf8'));

let server;
before(async () => (server = await troubleServer()));
after(() => server.stop());

for (const c of vectors.cases)
  test(c.name, async () => {
    const settings = { ...vectors.client, ...c.client };
    const provider = new CohortProvider({
      baseUrl: server.url, flushIntervalMs: 60_000, logger: listener(), drainMs: c.close_ms ?? 0, maxBatch: settings.batch_max,
      maxQueued: settings.queue_max, eventTimeoutMs: settings.timeout_ms, backoffMinMs: settings.backoff_min_ms, backoffMaxMs: settings.backoff_max_ms,
    });
    await until(async () => (await server.seen()).requests.length > 0, 'the first look for the server');
    await server.forget();
    await server.script(...c.answers);
    for (let i = 0; i < c.events; i++) provider.track(`event-${i}`, { targetingKey: `c-${i}` });
    if (c.close_ms === undefined) assert.equal(await provider.flush(60_000), 0);
    await provider.onClose();
    await check(c, provider.stats());
    await server.script();
    await server.forget();
  });

test('what a Retry-After counts for', () => {
  for (const [header, seconds] of Object.entries(vectors.retry_after)) {
    assert.equal(retryAfter(header), seconds === null ? undefined : seconds * 1000, header);
    const told = withRetryAfter(new Headers({ 'Retry-After': header, Date: 'now' }));
    assert.deepEqual([told.get('retry-after'), told.get('date')], [seconds === null ? null : String(seconds), 'now'], header);
  }
});

test('how long a wait is', () => {
  const { min_ms: minMs, max_ms: maxMs, cases } = vectors.waits;
  for (const w of cases)
    for (const chance of [0, 0.25, 0.5, 0.999999]) {
      const ms = backoff({ minMs, maxMs }, w.failures + 1, chance, w.retry_after === null ? undefined : w.retry_after * 1000);
      assert.ok(ms >= w.least_ms && ms <= w.most_ms, `${JSON.stringify(w)}: ${ms}`);
    }
});

async function check(c, stats) {
  const requests = await until(async () => {
    const list = (await server.seen()).requests.filter((r) => r.path === '/v1/outcomes');
    return list.length >= c.requests.length && list.sort((a, b) => a.at - b.at);
  }, 'the server has noted all requests');
  const sent = requests.map((r) => JSON.parse(r.body).events);
  assert.deepEqual(sent.map((events) => events.map((e) => Number(e.name.slice('event-'.length)))), c.requests);
  for (const [i, ms] of (c.wait_ms ?? []).entries())
    assert.ok((requests[i + 1].at - requests[i].at) * 1000 >= ms - 1, `${ms} ms before request ${i + 2}`);
  const first = new Map();
  for (const [i, events] of sent.entries())
    for (const { name, id, ts } of events) {
      const before = first.get(name) ?? first.set(name, { id, ts }).get(name);
      assert.equal(id, before.id);
      if (c.stamped?.[i]) assert.ok(ts.startsWith(c.stamped[i]), ts);
      else assert.equal(ts, before.ts);
    }
  const names = { accepted: 'accepted', refused: 'rejected', dropped: 'dropped', left: 'queued' };
  for (const [name, n] of Object.entries(c.counts)) assert.equal(stats[names[name]], n, name);
}
