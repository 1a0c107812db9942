import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { test } from 'node:test';

import { backoff, cohortMetadata, exposureFields, outcomeFields, PACE, retryAfter, ServerClock, unitsOf, UuidMaker }
  from '@cohortd/client-core';

const random = (bytes) => webcrypto.getRandomValues(bytes);

test('ids are UUIDs of version 7 with the time in front', () => {
  const id = new UuidMaker(random).make(0x0199_a3f0_7c1e);
  assert.match(id, /^0199a3f0-7c1e-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('ids sort as they were made: 10,000 in a millisecond, and while the clock goes back a little', () => {
  const maker = new UuidMaker(random);
  const ids = Array.from({ length: 10_000 }, () => maker.make(1_790_000_000_000));
  ids.push(maker.make(1_789_999_999_000), maker.make(1_790_000_001_000));
  assert.deepEqual([...ids].sort(), ids);
  assert.equal(new Set(ids).size, ids.length);
});

test('a clock that was a year ahead is not kept', () => {
  const maker = new UuidMaker(random);
  maker.make(1_821_000_000_000);
  assert.ok(maker.make(1_790_000_000_000).startsWith('01a0c4'), maker.make(1_790_000_000_000));
});

test('pauses double, are spread by chance and end at the cap', () => {
  assert.deepEqual([1, 2, 3].map((n) => backoff(PACE, n, 0)), [500, 1000, 2000]);
  assert.deepEqual([1, 2, 3].map((n) => backoff(PACE, n, 0.999999)), [1000, 2000, 4000]);
  assert.equal(backoff(PACE, 1_000, 0.999999), 60_000);
});

test('Retry-After is waited for in full', () => {
  assert.equal(backoff(PACE, 1, 0, 7_000), 7_000);
  assert.equal(backoff(PACE, 1, 0.999999, 7_000), 8_750);
  assert.equal(backoff(PACE, 9, 0, 7_000), 30_000, 'but not less than its own');
});

test('Retry-After is whole seconds; what is anything else is not believed', () => {
  for (const [header, ms] of [
    ['3', 3000], [' 12 ', 12_000], ['0', 0], ['999999', 3_600_000],
    ['Mon, 02 Nov 2026 10:20:50 GMT', undefined], ['2026-11-02T10:20:50Z', undefined], ['-3', undefined], ['1.5', undefined], ['', undefined], [null, undefined],
  ]) assert.equal(retryAfter(header), ms, String(header));
});

test('a clock that is wrong follows the server; one that is right is left alone', () => {
  let local = 1_790_000_000_000;
  const clock = new ServerClock(() => local);
  clock.heard(new Date(local + 1_200).toUTCString(), local);
  assert.equal(clock.now(), local);
  clock.heard(new Date(local - 3_600_000).toUTCString(), local - 100);
  assert.ok(Math.abs(clock.now() - (local - 3_600_000)) < 1_000, String(clock.skewMs));
  for (const nothing of [null, 'yesterday']) clock.heard(nothing, local);
  assert.ok(clock.skewMs < -3_590_000);
  const before = clock.skewMs;
  clock.heard(new Date(local).toUTCString(), local - 60_000);
  assert.equal(clock.skewMs, before, 'an answer after a minute says nothing');
  local += 1_000;
  clock.heard(new Date(local).toUTCString(), local);
  assert.equal(clock.skewMs, 0);
});

const flagMetadata = {
  decisionId: '0199a3f0-7c1e-7b52-9d3e-5f0c9a1b2c3d', reason: 'VARIANT', experiment: 'cta', phase: 2, propensity: 500000,
  inclusion: 1000000, holdouts: 'all_q4=in,search=out', planVersion: 12, strange: 'x',
};

test('metadata is typed, and nothing that is not what it should be', () => {
  const m = cohortMetadata({ variant: 'hurry', flagMetadata });
  assert.deepEqual({ ...m, holdouts: [...m.holdouts] }, {
    decisionId: flagMetadata.decisionId, reason: 'VARIANT', variant: 'hurry', experiment: 'cta', phase: 2, propensity: 500000,
    inclusion: 1000000, planVersion: 12, holdouts: [['all_q4', 'in'], ['search', 'out']],
  });
  assert.deepEqual({ ...cohortMetadata({ flagMetadata: { phase: '2', reason: 7 } }) }, { holdouts: new Map() });
  assert.deepEqual({ ...cohortMetadata({}) }, { holdouts: new Map() });
});

test('units: the targeting key, and attributes that are named as unit types', () => {
  assert.deepEqual(unitsOf({ targetingKey: 'c-17', account: 'a-3', plan: 'pro' }, ['account', 'device']), { user: 'c-17', account: 'a-3' });
  assert.equal(unitsOf({ plan: 'pro', account: 7 }, ['account']), undefined);
  assert.equal(unitsOf({ targetingKey: '' }, []), undefined);
});

test('an outcome: value and decision are its own, the rest are attributes, nested ones are none', () => {
  assert.deepEqual(outcomeFields('buy', { user: 'c' }, { value: 2.5, decision: 'd', plan: 'pro', n: 1, yes: true, deep: {}, nan: NaN }),
    { name: 'buy', units: { user: 'c' }, value: 2.5, decision: 'd', attributes: { plan: 'pro', n: 1, yes: true } });
  assert.deepEqual(outcomeFields('buy', { user: 'c' }, {}), { name: 'buy', units: { user: 'c' } });
});

test('an exposure to the experiment and to each holdout, with the attributes of its segments', () => {
  const m = cohortMetadata({ variant: 'hurry', flagMetadata });
  const context = { targetingKey: 'c-17', account: 'a-3', country: 'DE', cohortTokens: 'x' };
  const more = { units: { user: 'c-17', account: 'a-3' }, decision: flagMetadata.decisionId, attributes: { country: 'DE' } };
  assert.deepEqual(exposureFields(m, more.units, context), [
    { experiment: 'cta', variant: 'hurry', phase: 2, ...more },
    { experiment: 'all_q4', variant: 'in', phase: 1, ...more },
    { experiment: 'search', variant: 'out', phase: 1, ...more },
  ]);
});

test('an exposure of a sticky variant brings the token that keeps it', () => {
  const m = cohortMetadata({ variant: 'hurry', flagMetadata: { experiment: 'cta', phase: 2, reason: 'STICKY', token: 'signed' } });
  assert.deepEqual(exposureFields(m, { user: 'c' }, {}), [{ experiment: 'cta', variant: 'hurry', phase: 2, token: 'signed', units: { user: 'c' } }]);
});

test('what no phase drew is no exposure: overrides, what was shipped, defaults', () => {
  for (const reason of ['OVERRIDE', 'SHIPPED', 'HOLDBACK', 'FORCED', 'DEFAULT', 'PAUSED', 'HOLDOUT'])
    assert.deepEqual(exposureFields(cohortMetadata({ variant: 'a', flagMetadata: { experiment: 'cta', reason } }), { user: 'c' }, {}), []);
});
