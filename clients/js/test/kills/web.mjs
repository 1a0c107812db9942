// The same in a page that is reloaded now and then; the ids are those that were in the page's storage.
import { browser, open, start, visit } from '../web/browser.mjs';
import { site } from '../web/site.mjs';

const { url, keys } = JSON.parse(process.env.COHORTD);
const chromium = await browser();
const pages = await site();
const page = await open(chromium.context, pages.url);
const options = { baseUrl: url, apiKey: keys.client, flushIntervalMs: 20, backoffMinMs: 50, backoffMaxMs: 500, drainMs: 60_000, maxQueued: 5_000 };
const ids = new Set();
const total = { accepted: 0, rejected: 0, dropped: 0, retries: 0, tracked: 0 };

/** A visit: tracks until it is left, and tells which ids were made. */
async function stay(condition) {
  await start(page, options, { targetingKey: 'k-web' });
  await page.evaluate(() => {
    window.tracked = 0;
    window.made = [];
    const { setItem } = Storage.prototype;
    Storage.prototype.setItem = function (key, value) {
      if (key.startsWith('cohortd:http')) window.made.push(key.slice(-36));
      return setItem.call(this, key, value);
    };
    window.timer = setInterval(() => window.client.track('buy', { value: window.tracked++ }), 5);
  });
  await condition();
  await page.evaluate(() => clearInterval(window.timer));
}

async function leave() {
  const { stats, made, tracked } = await page.evaluate(() => ({ stats: window.provider.stats(), made: window.made, tracked: window.tracked }));
  made.forEach((id) => ids.add(id));
  for (const name of ['accepted', 'rejected', 'dropped', 'retries']) total[name] += stats[name];
  total.tracked += tracked;
  return stats;
}

let ended = false;
process.stdin.resume();
const end = new Promise((resolve) => process.stdin.on('end', () => resolve((ended = true))));
console.log('ready');
for (;;) {
  await stay(() => Promise.race([end, new Promise((resolve) => setTimeout(resolve, 1_500))]));
  if (ended) break;
  await leave();
  await visit(page, pages.url);
}
await page.evaluate(() => window.provider.flush(60_000));
const { queued } = await leave();
console.log(JSON.stringify({ ...total, queued, ids: [...ids] }));
await chromium.stop();
await pages.stop();
