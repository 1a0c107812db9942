// The provider for web pages against a server that misbehaves: each case of "Bad input and trouble" in README.md. The server is behind the
// site's own address, so that what is tried is the client and not the browser's rules for other origins.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { port as ownPort, troubleServer, until } from '../harness.mjs';
import { browser, open, start, stats, visit } from './browser.mjs';
import { site } from './site.mjs';

const user = { targetingKey: 'c-17' };
const html = { headers: { 'Content-Type': 'text/html' }, body: '<h1>Something is wrong</h1>' };
let server, chromium, pages, home, options;

before(async () => {
  server = await troubleServer();
  chromium = await browser();
  pages = await site({ behind: server.url });
  options = { baseUrl: pages.url, apiKey: 'ck_client_x', cacheMode: 'disabled' };
});
after(async () => {
  await chromium.stop();
  await pages.stop();
  await server.stop();
});
beforeEach(async () => {
  await server.script();
  await server.forget();
  home = await open(chromium.context, pages.url);
});
afterEach(async () => {
  await home.evaluate(() => (localStorage.clear(), sessionStorage.clear()));
  await home.close();
});

const track = (value) => home.evaluate((value) => window.client.track('buy', { value }), value);
const text = () => home.evaluate(() => window.client.getStringDetails('text', 'mine'));
const said = () => home.evaluate(() => window.said.join('\n'));
const stored = async () => Object.values((await server.seen()).stored);
const sent = async () => (await server.seen()).requests.filter((r) => r.path === '/v1/outcomes').flatMap((r) => JSON.parse(r.body).events);

/** What a page hears when it may be about to go. */
const leave = (page) => page.evaluate(() => {
  Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
  window.dispatchEvent(new Event('pagehide'));
});

/** One more provider in the page, `window.second`, of the same queue. */
const startSecond = () => home.evaluate(async ([options, user]) => {
  window.second = new window.lib.CohortWebProvider({ flushIntervalMs: 20, backoffMinMs: 200, logger: console, ...options });
  await window.second.initialize(user);
}, [options, user]);

test('down at the start: defaults, events kept; when it is there: values, and the events', async (t) => {
  const port = ownPort();
  const elsewhere = await site({ behind: `http://127.0.0.1:${port}` });
  t.after(() => elsewhere.stop());
  await visit(home, elsewhere.url);
  assert.equal(await start(home, { ...options, baseUrl: elsewhere.url }, user), 'ERROR');
  assert.equal((await text()).value, 'mine');
  await track(1);
  assert.equal((await stats(home, 'true')).queued, 1);
  const back = await troubleServer('--port', String(port));
  t.after(() => back.stop());
  await home.waitForFunction(() => window.client.providerStatus === 'READY');
  assert.equal((await text()).value, 'hello');
  await stats(home, 's.queued === 0 && s.accepted >= 1');
  assert.ok(Object.values((await back.seen()).stored).some((e) => e.value === 1));
});

test('slow: the start gives up in time and asks again', async (t) => {
  const slow = await troubleServer();
  const elsewhere = await site({ behind: slow.url });
  t.after(async () => (await elsewhere.stop(), await slow.stop()));
  await visit(home, elsewhere.url);
  await slow.script({ path: '/ofrep', delay: 60 });
  assert.equal(await start(home, { ...options, baseUrl: elsewhere.url, timeoutMs: 500 }, user), 'ERROR');
  assert.equal((await text()).value, 'mine');
  await home.waitForFunction(() => window.client.providerStatus === 'READY');
  assert.equal((await text()).value, 'hello');
});

for (const status of [401, 403, 404])
  test(`${status}: the default, and nobody asks again; events are kept and it is said`, async () => {
    await server.script({ status, body: { detail: 'This key may not.' }, times: null });
    assert.equal(await start(home, options, user), 'ERROR');
    assert.equal((await text()).value, 'mine');
    await track(1);
    await stats(home, 's.retries >= 1 && s.queued === 1');
    assert.match(await said(), new RegExp(`kept: ${status}`));
    assert.equal((await server.seen()).requests.filter((r) => r.path.startsWith('/ofrep')).length, 1);
    await server.script();
    await home.evaluate(() => window.provider.flush(60_000));
    await stats(home, 's.accepted === 1');
  });

test('413: smaller batches, until they fit', async () => {
  await start(home, { ...options, maxBatch: 4 }, user);
  await server.script({ path: '/v1', status: 413, ...html, times: 2 });
  await home.evaluate(() => [1, 2, 3, 4].forEach((value) => window.client.track('buy', { value })));
  await stats(home, 's.accepted === 4');
  const sizes = (await server.seen()).requests.filter((r) => r.path === '/v1/outcomes').map((r) => JSON.parse(r.body).events.length);
  assert.deepEqual(sizes.slice(0, 3), [4, 2, 1]);
});

test('429 with Retry-After is waited for, also when the page is left', async () => {
  await start(home, options, user);
  await server.script({ path: '/v1', status: 429, headers: { 'Retry-After': '2' } });
  const began = Date.now();
  await track(1);
  await stats(home, 's.retries === 1');
  await leave(home);
  await stats(home, 's.accepted === 1');
  assert.ok(Date.now() - began >= 2_000);
});

test('429 without Retry-After: the client\'s own pause', async () => {
  await start(home, options, user);
  await server.script({ path: '/v1', status: 429 });
  const began = Date.now();
  await track(1);
  await stats(home, 's.accepted === 1 && s.retries === 1');
  assert.ok(Date.now() - began >= 100, 'half of 200 ms at least');
});

test('429 at the start: the default; it asks again after the time it was told', async () => {
  await server.script({ path: '/ofrep', status: 429, headers: { 'Retry-After': '1' } });
  assert.equal(await start(home, options, user), 'ERROR');
  await home.waitForFunction(() => window.client.providerStatus === 'READY');
  assert.equal((await server.seen()).requests.filter((r) => r.path.startsWith('/ofrep')).length, 2);
});

for (const [what, answer] of [['500 with a page', { status: 500, ...html }], ['202 with a page', { status: 202, ...html }], ['400 with a page of a proxy', { status: 400, ...html }]])
  test(`${what}: events are kept, and no page is in what is said`, async () => {
    await start(home, options, user);
    await server.script({ path: '/v1', ...answer, times: null });
    await track(1);
    await stats(home, 's.retries >= 1 && s.queued === 1');
    await server.script();
    await home.evaluate(() => window.provider.flush(60_000));
    await stats(home, 's.accepted === 1');
    assert.ok(!(await said()).includes('<h1>'));
  });

test('an answer that was cut off: sent again, the same bytes, stored once', async () => {
  await start(home, options, user);
  await server.script({ path: '/v1', drop: 'after' });
  await track(1);
  await stats(home, 's.accepted === 1');
  const { repeated, changed, stored: kept } = await server.seen();
  assert.deepEqual([repeated, changed, Object.keys(kept).length], [1, [], 1]);
});

test('a certificate of another name: the default, and events are kept', async (t) => {
  const other = await troubleServer('--tls-elsewhere');
  t.after(() => other.stop());
  assert.equal(await start(home, { ...options, baseUrl: other.url }, user), 'ERROR');
  assert.equal((await text()).value, 'mine');
  await track(1);
  assert.equal((await stats(home, 'true')).queued, 1);
});

test('a clock that is wrong: events have the time by the server\'s', async (t) => {
  const ahead = await troubleServer('--date', '7200');
  const elsewhere = await site({ behind: ahead.url });
  t.after(async () => (await elsewhere.stop(), await ahead.stop()));
  await visit(home, elsewhere.url);
  await start(home, { ...options, baseUrl: elsewhere.url }, user);
  await track(1);
  await stats(home, 's.accepted === 1');
  const [event] = Object.values((await ahead.seen()).stored);
  assert.ok(Math.abs(Date.parse(event.ts) - Date.now() - 7_200_000) < 60_000, event.ts);
});

test('a full queue: the oldest are dropped, counted, and it is said once; the rest outlives the page', async () => {
  await server.script({ path: '/v1', status: 503, times: null });
  await start(home, { ...options, maxQueued: 5, backoffMinMs: 3_600_000, backoffMaxMs: 3_600_000 }, user); // none is on its way meanwhile
  await track(0);
  await stats(home, 's.retries > 0');
  await home.evaluate(() => Array.from({ length: 20 }, (_, i) => window.client.track('buy', { value: i + 1 })));
  const { queued, dropped } = await stats(home, 'true');
  assert.deepEqual([queued, dropped, (await said()).match(/full/g).length], [5, 16, 1]);
  await server.script();
  await home.reload();
  await home.waitForFunction(() => window.lib);
  await start(home, options, user);
  await stats(home, 's.accepted === 5');
  assert.deepEqual((await stored()).map((e) => e.value), [16, 17, 18, 19, 20]);
});

test('two providers in a page: what waited for them and what they send goes once, also when the page is left meanwhile', async () => {
  await server.script({ path: '/v1', status: 503, times: null });
  await start(home, options, user);
  for (let i = 0; i < 10; i++) await track(i);
  await stats(home, 's.retries > 0');
  await home.reload();
  await home.waitForFunction(() => window.lib);
  await server.forget();
  await server.script({ path: '/v1', delay: 1 });
  await start(home, options, user);
  await startSecond();
  await until(async () => (await server.seen()).requests.some((r) => r.path === '/v1/outcomes'), 'some are on their way');
  await home.evaluate((user) => {
    for (let i = 10; i < 20; i++) [window.provider, window.second][i % 2].track('buy', user, { value: i });
  }, user);
  await leave(home);
  await stats(home, 's.queued === 0');
  assert.deepEqual((await sent()).map((e) => e.value).sort((a, b) => a - b), Array.from({ length: 20 }, (_, i) => i));
  assert.equal((await stored()).length, 20);
});

test('what a provider that was closed left is sent by another of its page', async () => {
  await start(home, { ...options, drainMs: 0 }, user);
  await startSecond();
  await server.script({ path: '/v1', status: 503, times: null });
  await track(1);
  await stats(home, 's.retries > 0');
  await home.evaluate(() => window.provider.onClose());
  await server.script();
  await home.waitForFunction(() => window.second.stats().accepted === 1 && window.second.stats().queued === 0);
  assert.deepEqual((await stored()).map((e) => e.value), [1]);
});

test('what a page left is sent by another that is open, though nothing happens there', async () => {
  await start(home, options, user);
  const gone = await open(chromium.context, pages.url);
  await start(gone, options, user);
  await server.script({ path: '/v1', status: 503, times: null });
  await gone.evaluate(() => window.client.track('buy', { value: 1 }));
  await stats(gone, 's.retries > 0');
  await gone.close();
  await server.script();
  await stats(home, 's.accepted === 1 && s.queued === 0');
  assert.deepEqual((await stored()).map((e) => e.value), [1]);
});

test('an event of a page that is gone, made while nobody knew that the clock is fast, gets the server\'s time', async () => {
  const hasten = () => home.evaluate(() => {
    const now = Date.now;
    Date.now = () => now() + 7_200_000;
  });
  await hasten();
  await home.evaluate(([options, user]) => new window.lib.CohortWebProvider(options).track('buy', user, { value: 1 }), [options, user]);
  await home.reload();
  await home.waitForFunction(() => window.lib);
  await hasten();
  await server.script({ path: '/v1', reject: { 0: 'from_the_future' } });
  await start(home, options, user);
  await stats(home, 's.accepted === 1 && s.queued === 0');
  const [event] = await stored();
  assert.ok(Math.abs(Date.parse(event.ts) - Date.now()) < 60_000, event.ts);
});

test('what is no event of ours in the storage stops nothing', async () => {
  await home.evaluate((url) => {
    const strange = ['no JSON', '{"kind":"outcomes","body":"no JSON"}', '{"kind":"outcomes","body":"[]"}', '{"kind":"outcomes","body":1}'];
    for (const [i, text] of strange.entries()) localStorage.setItem(`cohortd:${url}:00000000-0000-7000-8000-00000000000${i}`, text);
  }, options.baseUrl.replace(/\/+$/, ''));
  await start(home, options, user);
  await track(1);
  await stats(home, 's.accepted === 1 && s.queued === 0');
  assert.deepEqual((await stored()).map((e) => e.value), [1]);
});

test('no storage: events wait in memory, and it is said', async () => {
  await home.evaluate(() => (Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }));
  await start(home, options, user);
  await track(1);
  await stats(home, 's.accepted === 1');
  assert.match(await said(), /can't be kept in this browser's storage/);
});

test('push: what was told once is asked for until there is an answer', async () => {
  const bulk = (value) => ({ path: '/ofrep', status: 200, headers: { ETag: `"${value}"` }, body: {
    flags: [{ key: 'text', value, reason: 'SPLIT', variant: value, metadata: {} }], metadata: {},
    eventStreams: [{ type: 'sse', url: `${pages.url}/events` }] } });
  await server.script(bulk('one'), { path: '/ofrep', status: 503 }, { path: '/ofrep', status: 429, headers: { 'Retry-After': '1' } }, bulk('two'));
  await start(home, options, user);
  await until(() => pages.listeners() === 1, 'the stream is open');
  pages.push({ type: 'refetchEvaluation', etag: '"two"' });
  await home.waitForFunction(() => window.client.getStringValue('text', 'mine') === 'two', undefined, { polling: 20 });
  const paths = (await server.seen()).requests.filter((r) => r.path.startsWith('/ofrep')).map((r) => r.path);
  assert.deepEqual(paths.map((p) => p.includes('flagConfigEtag')), [false, true, true, true]);
});

test('push: a stream in the bulk answer makes the page ask again, with the tag it was told', async () => {
  const bulk = (value) => ({ path: '/ofrep', status: 200, headers: { ETag: `"${value}"` }, body: {
    flags: [{ key: 'text', value, reason: 'SPLIT', variant: value, metadata: {} }], metadata: {},
    eventStreams: [{ type: 'sse', url: `${pages.url}/events`, inactivityDelaySec: 120 }] } });
  await server.script(bulk('one'), bulk('two'));
  await start(home, options, user);
  assert.equal((await text()).value, 'one');
  await until(() => pages.listeners() === 1, 'the stream is open');
  const changed = home.evaluate(() => new Promise((resolve) =>
    window.client.addHandler(window.lib.ProviderEvents.ConfigurationChanged, (e) => resolve(e.flagsChanged))));
  pages.push({ type: 'refetchEvaluation', etag: '"two"', lastModified: 1771622898 });
  assert.deepEqual(await changed, ['text']);
  assert.equal((await text()).value, 'two');
  const { path, headers } = (await server.seen()).requests.filter((r) => r.path.startsWith('/ofrep')).at(-1);
  assert.match(path, /flagConfigEtag=%22two%22&flagConfigLastModified=1771622898/);
  assert.equal(headers['if-none-match'], '"one"');
});
