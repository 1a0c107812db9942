// OpenFeature's own OFREP provider for servers, unmodified, against cohortd: every type, and the answers that clients trip over.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OpenFeature } from '@openfeature/server-sdk';

import { cohortd } from '../harness.mjs';

const server = cohortd();
const user = { targetingKey: 'c-17' };
const provider = (more) => new OFREPProvider({ baseUrl: server.url, ...more });
let client;

before(async () => {
  await OpenFeature.setProviderAndWait(provider({ headers: [['Authorization', `Bearer ${server.keys.client}`]] }));
  client = OpenFeature.getClient();
});
after(() => OpenFeature.close());

/** A client of its own, with other headers or another fetch. */
async function other(t, more) {
  await OpenFeature.setProviderAndWait(t.name, provider(more));
  return OpenFeature.getClient(t.name);
}

test('a value of each type, with variant, reason and flat metadata', async () => {
  assert.equal(await client.getBooleanValue('on', false, user), true);
  assert.equal(await client.getNumberValue('price', 1, user), 5);
  assert.equal(await client.getNumberValue('count', 1, user), 5);
  assert.equal(await client.getStringValue('greeting', 'x', user), 'grüß dich');
  assert.equal(await client.getStringValue('greeting', 'x', { ...user, country: 'FR' }), 'salut');
  assert.deepEqual(await client.getObjectValue('layout', {}, user), { a: [1, 2] });
  const details = await client.getStringDetails('cta', 'x', user);
  assert.equal(details.reason, 'SPLIT');
  assert.ok(['control', 'treatment'].includes(details.variant));
  assert.equal(details.flagMetadata.propensity, 500000);
  assert.match(details.flagMetadata.decisionId, /^[0-9a-f-]{36}$/);
});

test('X-API-Key is a key too', async (t) => {
  const c = await other(t, { headers: [['X-API-Key', server.keys.client]] });
  assert.equal(await c.getBooleanValue('on', false, user), true);
});

for (const [what, key, context, code] of [
  ['an unknown flag', 'nope', user, 'FLAG_NOT_FOUND'],
  ['a key with slashes and percent signs, sent as it is', 'a/b%2Fc', user, 'FLAG_NOT_FOUND'],
  ['no targeting key', 'cta', {}, 'TARGETING_KEY_MISSING'],
  ['a targeting key of 513 bytes', 'cta', { targetingKey: 'x'.repeat(513) }, 'INVALID_CONTEXT'],
  ['a value of another type', 'on', user, 'TYPE_MISMATCH'],
  ['a body over 64 KiB', 'cta', { ...user, x: 'y'.repeat(70_000) }, 'GENERAL'],
])
  test(`${what}: ${code}, and the default`, async () => {
    const details = await client.getStringDetails(key, 'mine', context);
    assert.deepEqual([details.value, details.errorCode, details.reason], ['mine', code, 'ERROR']);
  });

test('no value: the default (this provider calls it an error; ours does not)', async () => {
  assert.equal(await client.getStringValue('bare', 'mine', user), 'mine');
});

for (const [what, key, name] of [['a wrong key', 'ck_client_nonsense', 'OFREPApiUnauthorizedError'], ['a key that may not decide', server.keys.analyst, 'OFREPForbiddenError']])
  test(`${what}: ${name}`, async (t) => {
    const p = provider({ headers: [['Authorization', `Bearer ${key}`]] });
    await assert.rejects(p.resolveStringEvaluation('cta', 'mine', user), (e) => e.name === name);
    const c = await other(t, { headers: [['Authorization', `Bearer ${key}`]] });
    assert.equal(await c.getStringValue('cta', 'mine', user), 'mine');
  });

test('errors are JSON with key and code, never taken for malformed answers', async () => {
  for (const [key, context, status] of [['nope', user, 404], ['cta', {}, 400]]) {
    const response = await fetch(`${server.url}/ofrep/v1/evaluate/flags/${key}`,
      { method: 'POST', headers: { 'X-API-Key': server.keys.client }, body: JSON.stringify({ context }) });
    const body = await response.json();
    assert.deepEqual([response.status, response.headers.get('content-type'), body.key, typeof body.errorCode], [status, 'application/json', key, 'string']);
  }
});
