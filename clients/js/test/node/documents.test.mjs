// README's JavaScript example and the quick start for Node, run as printed against cohortd.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { blocks, length } from '../documents.mjs';
import { cohortd, port as ownPort, until } from '../harness.mjs';

const server = cohortd();
const keys = { COHORT_URL: server.url, COHORT_CLIENT_KEY: server.keys.client, COHORT_EVENTS_KEY: server.keys.events };

/** Runs a program in the workspace, where it finds its packages. */
function start(t, code, env = {}) {
  const file = fileURLToPath(new URL(`../printed-${process.pid}-${Math.floor(performance.now())}.mjs`, import.meta.url));
  writeFileSync(file, code);
  const preload = fileURLToPath(new URL('../elsewhere.mjs', import.meta.url));
  const child = spawn(process.execPath, ['--import', preload, file], { env: { ...process.env, ...keys, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => (rmSync(file), child.exitCode === null && child.kill('SIGKILL')));
  return child;
}

test('README: the OFREP provider decides', async (t) => {
  const [code] = blocks('README.md', 'js');
  const child = start(t, `${code}\nconsole.log(text);`);
  let out = '';
  child.stdout.on('data', (d) => (out += d));
  assert.deepEqual((await once(child, 'close'))[0], 0);
  assert.match(out, /^(Buy now|Hurry!)\n$/);
  await until(async () => (await server.sql(`select 1 from cohort.decision where unit_id = cohort.unit_id('user', 'c-17')`)).length > 0);
});

for (const signal of ['SIGTERM', 'SIGINT'])
  test(`the quick start for Node: at most 25 lines; it decides, tracks, and loses nothing when ${signal} ends it`, async (t) => {
    const [code] = blocks('docs/quickstart-node.md', 'js');
    assert.ok(length(code) <= 25, `${length(code)} lines`);
    const port = ownPort();
    const user = `quick-${signal}`;
    const child = start(t, code, { PORT: String(port) });
    const ask = async (path) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined);
      return response && [response.status, await response.text()];
    };
    const [status, text] = await until(() => ask(`/?user=${user}`));
    assert.equal(status, 200);
    assert.match(text, /Buy now|Hurry!/);
    assert.equal((await ask(`/unsubscribe?user=${user}`))[0], 200);
    child.kill(signal);
    assert.deepEqual((await once(child, 'close'))[0], 0);
    const q = `select count(*), bool_and(trusted) from cohort.outcome where unit_id = cohort.unit_id('user', '${user}')`;
    await until(async () => (await server.sql(q))[0].join() === '1,t', 'the outcome');
  });
