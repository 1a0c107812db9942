// The provider for web pages, and OpenFeature's unmodified one, in Chromium against a real cohortd on another origin (CORS), which takes
// events only with the token of the units that were asked about.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { blocks, length } from '../documents.mjs';
import { cohortd, until } from '../harness.mjs';
import { browser, open, start, stats, visit } from './browser.mjs';
import { page as document, site } from './site.mjs';

const server = cohortd();
const options = { baseUrl: server.url, apiKey: server.keys.client };
let chromium, pages, home;

before(async () => {
  chromium = await browser();
  pages = await site({ pages: { '/shop': document(...shop()) } });
});
after(async () => {
  await chromium.stop();
  await pages.stop();
});
beforeEach(async () => (home = await open(chromium.context, pages.url)));
afterEach(async () => {
  for (const p of chromium.context.pages()) await p.unrouteAll({ behavior: 'ignoreErrors' });
  await home.evaluate(() => (localStorage.clear(), sessionStorage.clear())).catch(() => {});
  for (const p of chromium.context.pages()) if (p !== chromium.context.pages()[0]) await p.close();
});

const of = (table, columns, id) => server.sql(`select ${columns} from cohort.${table} where unit_id = cohort.unit_id('user', '${id}') order by 1`);
const exposuresOf = (id) => server.sql(`select x.key, v.key, e.origin from cohort.exposure e join cohort.experiment x on x.id = e.experiment_id
  join cohort.variant v on v.id = e.variant_id where e.unit_id = cohort.unit_id('user', '${id}') order by 1`);

test('OpenFeature\'s own web provider: a value of each type', async () => {
  const got = await home.evaluate(async ([url, key]) => {
    const { OFREPWebProvider, OpenFeature } = window.lib;
    const provider = new OFREPWebProvider({ baseUrl: url, headers: [['Authorization', `Bearer ${key}`]] });
    await OpenFeature.setProviderAndWait(provider, { targetingKey: 'w-1', country: 'FR' });
    const c = OpenFeature.getClient();
    const details = c.getStringDetails('cta', 'x');
    return [c.getBooleanValue('on', false), c.getNumberValue('price', 1), c.getNumberValue('count', 1), c.getStringValue('greeting', 'x'),
      c.getObjectValue('layout', {}), c.getStringValue('bare', 'mine'), details.reason, details.flagMetadata.propensity,
      c.getStringDetails('nope', 'x').errorCode];
  }, [server.url, server.keys.client]);
  assert.deepEqual(got, [true, 5, 5, 'salut', { a: [1, 2] }, 'mine', 'SPLIT', 500000, 'FLAG_NOT_FOUND']);
});

test('OpenFeature\'s own web provider: what it makes of wrong keys and contexts', async () => {
  const status = (key, context) => home.evaluate(async ([url, key, context]) => {
    const { OFREPWebProvider, OpenFeature } = window.lib;
    const provider = new OFREPWebProvider({ baseUrl: url, headers: [['X-API-Key', key]], cacheMode: 'disabled' });
    const error = await OpenFeature.setProviderAndWait(provider, context).then(() => '', (e) => e.code);
    return [error, OpenFeature.getClient().getStringValue('cta', 'mine')];
  }, [server.url, key, context]);
  assert.deepEqual(await status('ck_client_nonsense', { targetingKey: 'w' }), ['PROVIDER_FATAL', 'mine']);
  assert.deepEqual(await status(server.keys.analyst, { targetingKey: 'w' }), ['PROVIDER_FATAL', 'mine']);
  assert.equal((await status(server.keys.client, {}))[1], 'mine');
});

test('ours: a value of each type, typed metadata, and the default where there is no value', async () => {
  assert.equal(await start(home, options, { targetingKey: 'w-2', country: 'FR' }), 'READY');
  const got = await home.evaluate(() => {
    const c = window.client;
    const bare = c.getStringDetails('bare', 'mine');
    const m = window.lib.cohortMetadata(c.getStringDetails('cta', 'x'));
    return [c.getBooleanValue('on', false), c.getNumberValue('price', 1), c.getStringValue('greeting', 'x'), c.getObjectValue('layout', {}),
      [bare.value, bare.errorCode], [m.reason, m.experiment, m.phase, m.propensity, typeof m.decisionId, typeof m.eventToken]];
  });
  assert.deepEqual(got, [true, 5, 'salut', { a: [1, 2] }, ['mine', undefined], ['VARIANT', 'cta', 1, 500000, 'string', 'string']]);
});

test('the prefetch is no exposure; using a value is one, however often, over reloads', async () => {
  await start(home, options, { targetingKey: 'w-3' });
  const use = () => home.evaluate(() => [1, 2, 3].map(() => window.client.getStringDetails('seen', 'x').variant).at(-1));
  const variant = await use();
  await stats(home, 's.accepted === 1');
  await visit(home, pages.url);
  await start(home, options, { targetingKey: 'w-3' });
  await use();
  const { queued, accepted } = await home.evaluate(() => window.provider.flush().then(() => window.provider.stats()));
  assert.deepEqual([queued, accepted], [0, 0], 'nothing after the reload');
  await until(async () => (await exposuresOf('w-3')).length > 0, 'the exposure');
  assert.deepEqual(await exposuresOf('w-3'), [['seen', variant, '1']], 'only what was used');
});

test('in a tab that stays open, half an hour later it is reported again', async () => {
  await start(home, { ...options, exposures: 'manual' }, { targetingKey: 'w-13' });
  /** Whether using the value, so many seconds later, makes an event; looked at before it can be sent. */
  const use = (seconds) => home.evaluate((seconds) => {
    const { now } = Date;
    Date.now = () => now() + seconds * 1000;
    window.client.getStringValue('seen', 'x', { hooks: [window.provider.exposureHook] });
    return window.provider.stats().queued === 1;
  }, seconds);
  assert.ok(await use(0));
  await stats(home, 's.accepted === 1 && s.queued === 0');
  assert.ok(!(await use(1_700)));
  assert.ok(await use(200));
});

test('under a holdout: an exposure to it too, in both arms', async () => {
  for (const id of ['h-1', 'h-2', 'h-3', 'h-4', 'h-5', 'h-6']) {
    await start(home, options, { targetingKey: id });
    const { holdouts, reason } = await home.evaluate(() => {
      const m = window.lib.cohortMetadata(window.client.getStringDetails('held', 'x'));
      return { holdouts: [...m.holdouts], reason: m.reason };
    });
    const arm = holdouts[0][1];
    await stats(home, `s.queued === 0 && s.accepted === ${arm === 'in' ? 2 : 1} && s.rejected === 0`);
    assert.equal(reason, arm === 'in' ? 'VARIANT' : 'HOLDOUT');
    await until(async () => (await exposuresOf(id)).length === (arm === 'in' ? 2 : 1), 'exposures');
    assert.deepEqual((await exposuresOf(id))[0], ['all_q4', arm, '1']);
  }
});

test('a value is reported for whom it was decided, not for who came since', async () => {
  await start(home, options, { targetingKey: 'w-4' });
  const mine = await home.evaluate(async () => {
    const before = window.client.getStringDetails('cta', 'x');
    await window.lib.OpenFeature.setContext({ targetingKey: 'w-5' });
    window.provider.exposed({ variant: before.variant, flagMetadata: before.flagMetadata }, { targetingKey: 'w-5' });
    return before.variant;
  });
  await stats(home, 's.accepted === 1 && s.queued === 0 && s.rejected === 0');
  await until(async () => (await exposuresOf('w-4')).length === 1);
  assert.deepEqual([await exposuresOf('w-4'), await exposuresOf('w-5')], [[['cta', mine, '1']], []]);
});

test('exposures can be left to the page', async () => {
  await start(home, { ...options, exposures: 'manual' }, { targetingKey: 'w-6' });
  await home.evaluate(() => (window.client.getStringValue('cta', 'x'),
    window.client.getStringValue('seen', 'x', { hooks: [window.provider.exposureHook] })));
  await stats(home, 's.accepted === 1 && s.queued === 0');
  await until(async () => (await exposuresOf('w-6')).length === 1);
  assert.equal((await exposuresOf('w-6'))[0][0], 'seen');
});

test('track: stored with its value, marked untrusted, without a preflight', async () => {
  const methods = [];
  home.on('request', (r) => r.url().startsWith(`${server.url}/v1`) && methods.push(r.method()));
  await start(home, options, { targetingKey: 'w-7' });
  await home.evaluate(() => window.client.track('buy', { value: 12.5, plan: 'pro' }));
  await stats(home, 's.accepted === 1');
  await until(async () => (await of('outcome', '1', 'w-7')).length > 0);
  assert.deepEqual(await of('outcome', 'value, trusted', 'w-7'), [['12500000', 'f']]);
  assert.deepEqual(methods, ['POST']);
});

test('asking again: 304, and the ETag could be read across origins', async () => {
  const answers = [];
  home.on('response', (r) => r.url().includes('/ofrep/') && r.request().method() === 'POST' && answers.push(r.status()));
  await start(home, { ...options, cacheMode: 'disabled' }, { targetingKey: 'w-8' });
  await home.evaluate(() => window.lib.OpenFeature.setContext({ targetingKey: 'w-8' }));
  assert.deepEqual(answers, [200, 304]);
});

test('a queue outlives a reload, with the ids it had', async () => {
  await home.route(/\/v1\/outcomes/, (r) => r.abort());
  await start(home, options, { targetingKey: 'w-9' });
  await home.evaluate(() => [1, 2, 3].forEach((value) => window.client.track('buy', { value })));
  await stats(home, 's.retries > 0');
  const ids = () => home.evaluate(() => Object.keys(localStorage).filter((k) => k.startsWith('cohortd:')).map((k) => k.slice(-36)).sort());
  const before = await ids();
  await visit(home, pages.url);
  assert.deepEqual([before.length, await ids()], [3, before]);
  await home.unroute(/\/v1\/outcomes/);
  await start(home, options, { targetingKey: 'w-9' });
  await stats(home, 's.queued === 0');
  await until(async () => (await of('outcome', '1', 'w-9')).length === 3);
  assert.deepEqual((await of('outcome', 'event_id', 'w-9')).flat(), before);
});

test('leaving the page sends what waits; coming back sends it again, and it counts once', async () => {
  await start(home, { ...options, flushIntervalMs: 600_000 }, { targetingKey: 'w-10' });
  await home.evaluate(() => window.client.track('buy', { value: 1 }));
  await home.goto('about:blank');
  await until(async () => (await of('outcome', '1', 'w-10')).length === 1, 'the beacon\'s event');
  await visit(home, pages.url);
  await start(home, options, { targetingKey: 'w-10' });
  await stats(home, 's.queued === 0');
  await home.evaluate(() => window.client.track('unsubscribe'));
  await until(async () => (await of('outcome', '1', 'w-10')).length === 2, 'a later event');
  assert.deepEqual(await of('outcome', 'coalesce(value, 0)', 'w-10'), [['0'], ['1000000']]);
});

test('two tabs share a queue: all of it is stored, once', async () => {
  const other = await open(chromium.context, pages.url);
  const user = { targetingKey: 'w-11' };
  await Promise.all([home, other].map((p) => start(p, { ...options, flushIntervalMs: 5 }, user)));
  await Promise.all([home, other].map((p) => p.evaluate(async () => {
    for (let i = 0; i < 100; i++) {
      window.client.track('buy', { value: i });
      if (i % 10 === 0) await new Promise((r) => setTimeout(r, 1));
    }
  })));
  for (const p of [home, other]) await stats(p, 's.queued === 0');
  await until(async () => (await of('outcome', '1', 'w-11')).length >= 200, '200 outcomes');
  const rows = await of('outcome', 'event_id', 'w-11');
  assert.deepEqual([rows.length, new Set(rows.flat()).size], [200, 200]);
});

test('events made before the server answered get their token when they are sent', async () => {
  await home.route(/\/(ofrep|v1)\//, (r) => r.abort());
  assert.equal(await start(home, options, { targetingKey: 'w-12' }), 'ERROR');
  await home.evaluate(() => window.client.track('buy', { value: 1 }));
  await home.unrouteAll();
  await home.waitForFunction(() => window.client.providerStatus === 'READY');
  await stats(home, 's.accepted === 1 && s.rejected === 0');
});

function shop() {
  const [program] = blocks('docs/quickstart-web.md', 'js');
  const [html] = blocks('docs/quickstart-web.md', 'html');
  assert.ok(length(program) + length(html) <= 25, `${length(program) + length(html)} lines`);
  const body = html.replace(/<script[^]*<\/script>\s*/, '').replace('https://cohort.example', server.url).replace(/ck_client_…/, server.keys.client);
  return [program, body];
}

test('the quick start for web pages: at most 25 lines; it decides, reports the exposure and tracks', async () => {
  await home.goto(`${pages.url}/shop`);
  const button = home.locator('#buy');
  await until(async () => /Buy now|Hurry!/.test(await button.textContent()), 'the text of the button');
  await button.click();
  const id = await home.evaluate(() => localStorage.getItem('visitor'));
  await until(async () => (await exposuresOf(id)).length === 1, 'the exposure');
  await until(async () => (await of('outcome', '1', id)).length === 1, 'the outcome');
});
