// The provider for servers against a real cohortd: what is decided, and what is in the database afterwards.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { CohortProvider, cohortMetadata } from '@cohortd/openfeature-server';
import { OpenFeature } from '@openfeature/server-sdk';

import { cohortd, listener, until } from '../harness.mjs';

const server = cohortd();
const log = listener();
const provider = new CohortProvider({ baseUrl: server.url, apiKey: server.keys.events, flushIntervalMs: 20, timeoutMs: 20_000, logger: log });
let client;

before(async () => {
  await OpenFeature.setProviderAndWait(provider);
  client = OpenFeature.getClient();
});
after(() => OpenFeature.close());

const exposuresOf = (id) => server.sql(`select x.key, v.key, e.origin from cohort.exposure e join cohort.experiment x on x.id = e.experiment_id
  join cohort.variant v on v.id = e.variant_id where e.unit_id = cohort.unit_id('user', '${id}') order by 1`);
const outcomesOf = (id) => server.sql(`select o.event_id, o.trusted, o.value from cohort.outcome o where o.unit_id = cohort.unit_id('user', '${id}')`);

test('a value of each type; none where the flag has none', async () => {
  const user = { targetingKey: 'n-1' };
  assert.equal(await client.getBooleanValue('on', false, user), true);
  assert.equal(await client.getNumberValue('price', 1, user), 5);
  assert.equal(await client.getStringValue('greeting', 'x', { ...user, country: 'FR' }), 'salut');
  assert.deepEqual(await client.getObjectValue('layout', {}, user), { a: [1, 2] });
  const bare = await client.getStringDetails('bare', 'mine', user);
  assert.deepEqual([bare.value, bare.reason, bare.errorCode], ['mine', 'DEFAULT', undefined]);
});

test('typed metadata of a decision', async () => {
  const m = cohortMetadata(await client.getStringDetails('cta', 'x', { targetingKey: 'n-2' }));
  assert.match(m.decisionId, /^[0-9a-f-]{36}$/);
  assert.deepEqual([m.reason, m.experiment, m.phase, m.propensity, m.inclusion], ['VARIANT', 'cta', 1, 500000, 1000000]);
});

test('a decision is an exposure by itself, once', async () => {
  const { variant } = await client.getStringDetails('cta', 'x', { targetingKey: 'n-3' });
  await until(async () => (await exposuresOf('n-3')).length > 0, 'the exposure');
  assert.deepEqual(await exposuresOf('n-3'), [['cta', variant, '0']]);
});

test('where exposures are reported: none by asking, one by the hook', async () => {
  await client.getStringValue('seen', 'x', { targetingKey: 'n-4' });
  const shown = await client.getStringDetails('seen', 'x', { targetingKey: 'n-5' }, { hooks: [provider.exposureHook] });
  await until(async () => (await exposuresOf('n-5')).length > 0, 'the reported exposure');
  assert.deepEqual(await exposuresOf('n-5'), [['seen', shown.variant, '1']]);
  assert.deepEqual(await exposuresOf('n-4'), []);
  assert.deepEqual([provider.stats().rejected, log.said], [0, []]);
});

test('an override is no exposure; a sticky variant is one, with the token that keeps it', async () => {
  const hooks = [provider.exposureHook];
  const forced = { targetingKey: 'forced' };
  await until(async () => (await client.getStringDetails('seen', 'x', forced)).flagMetadata.reason === 'OVERRIDE', 'the override is served');
  await client.getStringDetails('seen', 'x', forced, { hooks });
  const first = await client.getStringDetails('stays', 'x', { targetingKey: 'n-8' });
  const cohortTokens = cohortMetadata(first).token;
  const again = await client.getStringDetails('stays', 'x', { targetingKey: 'n-8', cohortTokens }, { hooks });
  assert.deepEqual([again.flagMetadata.reason, again.variant], ['STICKY', first.variant]);
  await until(async () => (await exposuresOf('n-8')).length > 0, 'the exposure');
  assert.deepEqual([provider.stats().rejected, await exposuresOf('forced')], [0, []]);
});

test('track: a trusted outcome with its value, id and time', async () => {
  client.track('buy', { targetingKey: 'n-6' }, { value: 12.5, plan: 'pro' });
  client.track('unsubscribe', { targetingKey: 'n-6' });
  await until(async () => (await outcomesOf('n-6')).length === 2, 'two outcomes');
  const rows = await outcomesOf('n-6');
  assert.deepEqual(rows.map((r) => [r[0][14], ...r.slice(1)]).sort(), [['7', 't', ''], ['7', 't', '12500000']]);
});

test('a name that no metric counts is refused by name, counted and said once', async () => {
  const before = provider.stats().rejected;
  client.track('unsubscirbe', { targetingKey: 'n-7' });
  client.track('unsubscirbe', { targetingKey: 'n-7' });
  await until(() => provider.stats().rejected === before + 2);
  assert.equal(log.said.filter((s) => /unknown_event.*unsubscirbe.*typo/.test(s)).length, 1, log.said.join('\n'));
});
