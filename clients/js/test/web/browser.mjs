// Headless Chromium with a profile of its own.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

const PROGRAM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const QUIET = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];

const PATIENCE_MS = 90_000;

export const installed = existsSync(PROGRAM);

/** A browser whose pages share one profile; end it with stop(). */
export async function browser() {
  const profile = mkdtempSync(join(tmpdir(), 'cohort-chromium.'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: PROGRAM, headless: true, timeout: PATIENCE_MS, args: QUIET, ignoreDefaultArgs: ['--disable-back-forward-cache'],
  });
  context.setDefaultTimeout(PATIENCE_MS);
  return {
    context,
    async stop() {
      await context.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** Starts our provider in the page, for this user, and returns its state's name. `window.provider` and `window.client` are there then. */
export function start(page, options, context) {
  return page.evaluate(async ([options, context]) => {
    const { CohortWebProvider, OpenFeature } = window.lib;
    window.said = [];
    const note = (...args) => window.said.push(args.join(' '));
    const logger = { warn: note, error: note, info: note, debug() {} };
    window.provider = new CohortWebProvider({ flushIntervalMs: 20, backoffMinMs: 200, logger, ...options });
    window.client = OpenFeature.getClient();
    await OpenFeature.setProviderAndWait(window.provider, context).catch(() => {});
    return window.client.providerStatus;
  }, [options, context]);
}

/** Opens the site's page and waits for its libraries. */
export async function open(context, url) {
  const page = await context.newPage();
  await visit(page, url);
  return page;
}

export async function visit(page, url) {
  await page.goto(url);
  await page.waitForFunction(() => window.lib);
}

/** Waits until an expression over `provider.stats()` holds in the page. */
export const stats = (page, holds) => page.waitForFunction(`((s) => ${holds})(window.provider.stats()) && window.provider.stats()`,
  undefined, { polling: 20 }).then((h) => h.jsonValue());
