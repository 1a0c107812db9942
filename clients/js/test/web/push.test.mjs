// Changes that reach an open page by themselves: from a real cohortd on another origin, in Chromium, without polling.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { cohortd, until } from '../harness.mjs';
import { browser, open, start } from './browser.mjs';
import { site } from './site.mjs';

const server = cohortd();
let chromium, pages, home, seen;

before(async () => {
  chromium = await browser();
  pages = await site();
});
after(async () => {
  await chromium.stop();
  await pages.stop();
});
beforeEach(async () => {
  for (const p of chromium.context.pages().slice(1)) await p.close();
  home = await open(chromium.context, pages.url);
  await home.evaluate(() => (localStorage.clear(), sessionStorage.clear()));
  const mine = (seen = { opened: 0, ended: 0 }); // what is heard late of another test's page is that page's
  const isStream = (request) => request.url().includes('/ofrep/v1/stream');
  home.on('response', (r) => (mine.opened += isStream(r.request()) && r.status() === 200));
  for (const end of ['requestfinished', 'requestfailed'])
    home.on(end, async (r) => {
      if (isStream(r) && (await r.response())?.status() === 200) mine.ended++;
    });
});

/** How many streams of the page are open. */
const streams = () => seen.opened - seen.ended;

async function define(value) {
  const answer = await fetch(`${server.url}/v1/flags/pushed`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${server.keys.admin}` },
    body: JSON.stringify({ type: 'string', default: value }),
  });
  assert.ok(answer.ok, await answer.text());
}

/** The server's own answer, by a request beside the page's. */
async function served() {
  const answer = await fetch(`${server.url}/ofrep/v1/evaluate/flags/pushed`, {
    method: 'POST', headers: { 'Content-Type': 'application/json', 'X-API-Key': server.keys.client }, body: '{"context":{"targetingKey":"p"}}',
  });
  return (await answer.json()).value;
}

/** Both providers, set up for this user and listened to: `window.changed` are the flags that were said to have changed. */
const providers = {
  ours: (user) => start(home, { baseUrl: server.url, apiKey: server.keys.client }, { targetingKey: user }),
  'OpenFeature\'s own': (user) => home.evaluate(async ([url, key, user]) => {
    const { OFREPWebProvider, OpenFeature } = window.lib;
    window.client = OpenFeature.getClient();
    await OpenFeature.setProviderAndWait(new OFREPWebProvider({ baseUrl: url, headers: [['X-API-Key', key]] }), { targetingKey: user });
    return window.client.providerStatus;
  }, [server.url, server.keys.client, user]),
};

const value = () => home.evaluate(() => window.client.getStringValue('pushed', 'none'));
const shows = (wanted) => home.waitForFunction((wanted) => window.client.getStringValue('pushed', 'none') === wanted, wanted, { polling: 20 });

for (const [whose, begin] of Object.entries(providers)) {
  test(`${whose}: an edit shows in the page, which asked once for it`, async () => {
    await define('before');
    await until(async () => (await served()) === 'before');
    assert.equal(await begin('p-1'), 'READY');
    assert.equal(await value(), 'before');
    await until(() => streams() === 1, 'the stream is open');
    const asked = [];
    home.on('request', (r) => r.url().includes('/evaluate/flags') && r.method() === 'POST' && asked.push(new URL(r.url())));
    const changed = home.evaluate(() => new Promise((resolve) =>
      window.client.addHandler(window.lib.ProviderEvents.ConfigurationChanged, (e) => resolve(e.flagsChanged))));
    await define('after');
    const committed = Date.now();
    await shows('after');
    const took = Date.now() - committed;
    assert.ok((await changed).includes('pushed'));
    assert.equal(asked.length, 1);
    assert.match(asked[0].searchParams.get('flagConfigEtag'), /^\d+-\d+-[0-9a-f]{16}$/);
    console.log(`# ${whose}: an edit showed ${took} ms after it was answered`);
  });
}

test('a page whose token was refused gets another by asking', async () => {
  await define('three');
  await until(async () => (await served()) === 'three');
  let refused = 0;
  await home.route(/\/ofrep\/v1\/stream/, (r) => (refused++ === 0 ? r.fulfill({ status: 401 }) : r.continue()));
  await providers.ours('p-3');
  await until(() => streams() === 1, 'the second one is open');
  await define('four');
  await shows('four');
});

test('a hidden page closes its stream after a while; when it is seen again it asks, and opens another', async () => {
  await define('seen');
  await until(async () => (await served()) === 'seen');
  await start(home, { baseUrl: server.url, apiKey: server.keys.client, inactivityDelaySec: 1 }, { targetingKey: 'p-5' });
  await until(() => streams() === 1, 'the stream is open');
  const show = (state) => home.evaluate((state) => {
    Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, state);
  await show('hidden');
  await until(() => streams() === 0, 'it is closed');
  await define('missed');
  await until(async () => (await served()) === 'missed');
  assert.equal(await value(), 'seen');
  await show('visible');
  await shows('missed');
  await until(() => streams() === 1, 'another is open');
});

test('closing the provider closes its stream', async () => {
  await providers.ours('p-4');
  await until(() => streams() === 1, 'the stream is open');
  await home.evaluate(() => window.lib.OpenFeature.close());
  await until(() => streams() === 0, 'it is closed');
});
