// The provider for servers against a server that misbehaves: each case of "Bad input and trouble" in README.md.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { CohortProvider } from '@cohortd/openfeature-server';
import { OpenFeature } from '@openfeature/server-sdk';

import { listener, port as ownPort, troubleServer, until } from '../harness.mjs';

const user = { targetingKey: 'c-17' };
const page = { status: 500, headers: { 'Content-Type': 'text/html' }, body: '<h1>Something is wrong</h1>' };

let server;
before(async () => (server = await troubleServer()));
beforeEach(async () => {
  await server.script();
  await server.forget();
});
after(async () => {
  await OpenFeature.close();
  await server.stop();
});

/** A provider behind OpenFeature, fast enough for tests; closed with the test. */
async function start(t, options = {}) {
  const log = listener();
  const provider = new CohortProvider({
    baseUrl: server.url, apiKey: 'ck_events_x', flushIntervalMs: 10, timeoutMs: 10_000, backoffMinMs: 200, drainMs: 0, logger: log, ...options,
  });
  const domain = t.name;
  await OpenFeature.setProviderAndWait(domain, provider);
  t.after(() => provider.onClose());
  return { provider, said: log.said, client: OpenFeature.getClient(domain) };
}

/** A server for one test, where answers that come late must not be another test's. */
async function own(t, ...args) {
  const it = await troubleServer(...args);
  t.after(() => it.stop());
  return it;
}

const stored = async () => Object.values((await server.seen()).stored);

test('all types, with typed errors for what is unknown', async (t) => {
  const { client } = await start(t);
  assert.equal(await client.getBooleanValue('on', false, user), true);
  assert.equal(await client.getStringValue('text', 'x', user), 'hello');
  assert.equal(await client.getNumberValue('count', 0, user), 5);
  assert.deepEqual(await client.getObjectValue('layout', {}, user), { a: [1, 2] });
  assert.equal((await client.getStringDetails('nope', 'x', user)).errorCode, 'FLAG_NOT_FOUND');
  assert.equal((await client.getStringDetails('on', 'x', user)).errorCode, 'TYPE_MISMATCH');
  await client.getStringDetails('a/b?c#d', 'x', user);
  assert.equal((await server.seen()).requests.at(-1).path, '/ofrep/v1/evaluate/flags/a%2Fb%3Fc%23d');
});

test('no value in the answer: the default of the code, with reason and metadata, and no error', async (t) => {
  const { client } = await start(t);
  await server.script({ path: '/ofrep', status: 200, body: { key: 'text', reason: 'DEFAULT', variant: 'default', metadata: { reason: 'HOLDOUT' } } });
  const details = await client.getStringDetails('text', 'mine', user);
  assert.deepEqual([details.value, details.reason, details.variant, details.flagMetadata.reason, details.errorCode],
    ['mine', 'DEFAULT', 'default', 'HOLDOUT', undefined]);
});

test('down at the start: defaults are served, events are kept, and sent when the server is there', async (t) => {
  const port = ownPort();
  const { client, provider, said } = await start(t, { baseUrl: `http://127.0.0.1:${port}` });
  const details = await client.getStringDetails('text', 'mine', user);
  assert.deepEqual([details.value, details.errorCode], ['mine', 'GENERAL']);
  for (let i = 0; i < 3; i++) client.track('buy', user, { value: i });
  await until(() => provider.stats().retries > 0);
  assert.equal(provider.stats().queued, 3);
  assert.match(said.join('\n'), /does not answer; the defaults of the code are served[^]*kept: ECONNREFUSED/);

  const back = await own(t, '--port', String(port));
  await until(() => provider.stats().accepted === 3);
  assert.equal(await client.getStringValue('text', 'mine', user), 'hello');
  assert.equal(said.length, 3, said.join('\n'));
  assert.deepEqual((await back.seen()).changed, []);
});

test('slow: a decision takes no longer than its limit; events go again with the same ids', async (t) => {
  const slow = await own(t);
  const { client, provider } = await start(t, { baseUrl: slow.url, timeoutMs: 100, eventTimeoutMs: 300 });
  await slow.script({ path: '/ofrep', delay: 60 }, { path: '/v1', delay: 60 });
  const began = Date.now();
  assert.equal(await client.getStringValue('text', 'mine', user), 'mine');
  assert.ok(Date.now() - began < 30_000);
  client.track('buy', user);
  await until(() => provider.stats().accepted === 1);
  const seen = await until(async () => {
    const s = await slow.seen();
    return s.repeated >= 1 && s;
  });
  assert.deepEqual([Object.keys(seen.stored).length, seen.changed], [1, []]);
});

for (const [status, code] of [[401, 'GENERAL'], [403, 'GENERAL'], [404, 'FLAG_NOT_FOUND']])
  test(`${status}: the default; events are kept and it is said`, async (t) => {
    const { client, provider, said } = await start(t);
    const body = status === 404 ? { key: 'text', errorCode: 'FLAG_NOT_FOUND', errorDetails: 'x' } : { status, detail: 'This key may not.' };
    await server.script({ status, body, times: null });
    const details = await client.getStringDetails('text', 'mine', user);
    assert.deepEqual([details.value, details.errorCode], ['mine', code]);
    client.track('buy', user);
    await until(() => provider.stats().retries === 1);
    assert.equal(provider.stats().queued, 1);
    assert.match(said.join('\n'), new RegExp(`kept: ${status}`));
    if (status !== 404) assert.match(said[0], new RegExp(`answers ${status} to this key; the defaults`));
    await server.script();
    await provider.flush(60_000);
    assert.equal(provider.stats().accepted, 1);
  });

test('413: smaller batches, until they fit', async (t) => {
  const { client, provider } = await start(t, { maxBatch: 8 });
  await server.script({ path: '/v1', status: 413, headers: { 'Content-Type': 'text/html' }, body: '<h1>too large</h1>', times: 2 });
  for (let i = 0; i < 8; i++) client.track('buy', user, { value: i });
  await until(() => provider.stats().accepted === 8);
  const { requests } = await server.seen();
  const sizes = requests.filter((r) => r.path === '/v1/outcomes').map((r) => JSON.parse(r.body).events.length);
  assert.deepEqual(sizes.slice(0, 3), [8, 4, 2]);
});

test('429 with Retry-After is waited for; decisions rest too', async (t) => {
  const { client, provider } = await start(t);
  await server.script({ path: '/v1', status: 429, headers: { 'Retry-After': '2' } }, { path: '/ofrep', status: 429, headers: { 'Retry-After': '60' } });
  const began = Date.now();
  client.track('buy', user);
  assert.equal(await client.getStringValue('text', 'mine', user), 'mine');
  assert.equal(await client.getStringValue('text', 'mine', user), 'mine');
  await until(() => provider.stats().accepted === 1);
  assert.ok(Date.now() - began >= 2_000);
  const { requests } = await server.seen();
  assert.equal(requests.filter((r) => r.path.startsWith('/ofrep')).length, 1, 'the second decision asked nobody');
});

test('429 that says a day: decisions rest for an hour', async (t) => {
  const { client } = await start(t);
  await server.script({ path: '/ofrep', status: 429, headers: { 'Retry-After': '86400' } });
  const { errorMessage } = await client.getStringDetails('text', 'mine', user);
  const until = Date.parse(errorMessage.split('try again after ')[1]);
  assert.ok(Math.abs(until - Date.now() - 3_600_000) < 120_000, errorMessage);
});

test('away: after three failures in a row nobody waits for it, until it is tried again', async (t) => {
  const slow = await own(t);
  const { client } = await start(t, { baseUrl: slow.url, timeoutMs: 100 });
  await slow.script({ path: '/ofrep', delay: 60, times: null });
  for (let i = 0; i < 20; i++) assert.equal(await client.getStringValue('text', 'mine', user), 'mine');
  const asked = (await slow.seen()).requests.filter((r) => r.path.startsWith('/ofrep')).length;
  assert.ok(asked < 10, `${asked} of 20 asked: three, and one more a second, two seconds, four…`);
  assert.match((await client.getStringDetails('text', 'mine', user)).errorMessage, /OFREP request failed/);
  await slow.script();
  await until(async () => (await client.getStringValue('text', 'mine', user)) === 'hello');
});

test('429 without Retry-After: the client\'s own pause', async (t) => {
  const { client, provider } = await start(t);
  await server.script({ path: '/v1', status: 429, times: 2 });
  const began = Date.now();
  client.track('buy', user);
  await until(() => provider.stats().accepted === 1);
  assert.equal(provider.stats().retries, 2);
  assert.ok(Date.now() - began >= 300, 'half of 200 ms and half of 400 at least');
});

for (const [what, answer] of [
  ['500 with a page', page], ['502 with a page', { ...page, status: 502 }], ['400 with a page of a proxy', { ...page, status: 400 }],
  ['202 with a page', { ...page, status: 202 }], ['200 of a captive portal', { ...page, status: 200 }],
  ['a redirect', { status: 301, headers: { Location: 'http://127.0.0.1:9/' } }],
  ['an answer that is half there', { status: 202, body: { results: [] } }],
])
  test(`${what}: the default; events are kept; no page in what is said`, async (t) => {
    const { client, provider, said } = await start(t);
    await server.script({ ...answer, times: null });
    const details = await client.getStringDetails('text', 'mine', user);
    assert.deepEqual([details.value, details.errorCode], ['mine', 'GENERAL']);
    client.track('buy', user);
    await until(() => provider.stats().retries === 1);
    assert.equal(provider.stats().queued, 1);
    await server.script();
    await provider.flush(60_000);
    assert.deepEqual([provider.stats().accepted, (await stored()).length], [1, 1]);
    assert.ok(!said.join('').includes('<h1>'), said.join('\n'));
  });

test('a connection that is cut behind the request: sent again, the same bytes, stored once', async (t) => {
  const { client, provider } = await start(t);
  await server.script({ path: '/v1', drop: 'after' }, { path: '/v1', drop: 'before' });
  client.track('buy', user, { value: 1, plan: 'pro' });
  await until(() => provider.stats().accepted === 1);
  const { repeated, changed, stored: kept } = await server.seen();
  assert.deepEqual([repeated, changed, Object.keys(kept).length], [1, [], 1]);
});

test('a certificate of another name: defaults, events kept, and it is said why', async (t) => {
  const script = `
    import { CohortProvider } from '@cohortd/openfeature-server';
    import { OpenFeature } from '@openfeature/server-sdk';
    const provider = new CohortProvider({ baseUrl: process.argv[1], flushIntervalMs: 1, drainMs: 100 });
    await OpenFeature.setProviderAndWait(provider);
    const client = OpenFeature.getClient();
    console.log(await client.getStringValue('text', 'mine', { targetingKey: 'c' }));
    client.track('buy', { targetingKey: 'c' });
    while (provider.stats().retries === 0) await provider.flush(500);
    console.log(JSON.stringify(provider.stats()));
    await OpenFeature.close();`;
  const other = await own(t, '--tls-elsewhere');
  const [out, err] = await run(script, other.url, { NODE_EXTRA_CA_CERTS: other.ca });
  assert.equal(out[0], 'mine');
  const { queued, accepted } = JSON.parse(out[1]);
  assert.deepEqual([queued, accepted], [1, 0]);
  assert.match(err, /kept: ERR_TLS_CERT_ALTNAME_INVALID/);
  assert.match(err, /1 events could not be sent before the end and are lost/);
});

test('a clock that is wrong: events have the time by the server\'s', async (t) => {
  const ahead = await own(t, '--date', '7200');
  const { client, provider } = await start(t, { baseUrl: ahead.url });
  await client.getStringValue('text', 'mine', user);
  client.track('buy', user);
  await until(() => provider.stats().accepted === 1);
  const [event] = Object.values((await ahead.seen()).stored);
  assert.ok(Math.abs(Date.parse(event.ts) - Date.now() - 7_200_000) < 60_000, event.ts);
});

test('a full queue: the oldest are dropped, counted, and it is said once', async (t) => {
  const { client, provider, said } = await start(t, { maxQueued: 5 });
  await server.script({ path: '/v1', status: 503, times: null });
  await until(async () => {
    client.track('buy', user, { value: 0 });
    return provider.stats().retries > 0;
  });
  for (let i = 1; i <= 20; i++) client.track('buy', user, { value: i });
  const { queued, dropped } = provider.stats();
  assert.ok(queued === 5 && dropped >= 15);
  assert.equal(said.filter((s) => s.includes('full')).length, 1);
  await server.script();
  await provider.flush(60_000);
  assert.deepEqual((await stored()).map((e) => e.value), [16, 17, 18, 19, 20]);
});

test('an outcome of nobody, or without a number, is refused and said', async (t) => {
  const { client, provider, said } = await start(t);
  client.track('buy', {});
  client.track('buy', user, { value: NaN });
  assert.deepEqual([provider.stats().queued, provider.stats().rejected, said.length], [0, 2, 2]);
});

test('a program that comes to its end without closing sends its events', async (t) => {
  const script = `
    import { CohortProvider } from '@cohortd/openfeature-server';
    import { OpenFeature } from '@openfeature/server-sdk';
    await OpenFeature.setProviderAndWait(new CohortProvider({ baseUrl: process.argv[1], flushIntervalMs: 60000 }));
    OpenFeature.getClient().track('buy', { targetingKey: 'c' }, { value: 3 });`;
  await run(script, server.url);
  assert.deepEqual((await stored()).map((e) => [e.name, e.value, e.units]), [['buy', 3, { user: 'c' }]]);
});

test('close sends what waits, through trouble that passes', async () => {
  const provider = new CohortProvider({ baseUrl: server.url, flushIntervalMs: 60_000, logger: listener() });
  await OpenFeature.setProviderAndWait('closing', provider);
  await server.script({ path: '/v1', status: 503 });
  OpenFeature.getClient('closing').track('buy', user);
  await provider.onClose();
  assert.deepEqual([provider.stats().queued, (await stored()).length], [0, 1]);
});

test('an exposure is reported when it is asked for, and never by itself', async (t) => {
  const { client, provider } = await start(t);
  await client.getStringValue('text', 'x', user);
  await client.getStringValue('text', 'x', { ...user, country: 'DE' }, { hooks: [provider.exposureHook] });
  await until(() => provider.stats().accepted === 1);
  const [event] = await stored();
  delete event.id, delete event.ts;
  assert.deepEqual(event, { experiment: 'text', variant: 'treatment', phase: 1, units: { user: 'c-17' },
    decision: '01999999-0000-7000-8000-000000000000', attributes: { country: 'DE' } });
});

/** Runs a program in a Node of its own; its lines and what it said. */
async function run(script, arg, env = {}) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, arg],
    { cwd: fileURLToPath(new URL('../..', import.meta.url)), env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (d) => (out += d));
  child.stderr.on('data', (d) => (err += d));
  const [status] = await once(child, 'close');
  assert.equal(status, 0, err);
  return [out.trim().split('\n'), err];
}
