// What the tests share: OpenFeature with a provider of ours, the misbehaving server, and waiting for a condition.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const TROUBLE = process.env.TROUBLE_SERVER ?? fileURLToPath(new URL('../../tests/trouble_server.py', import.meta.url));
const PATIENCE_MS = 60_000;
const ports = (process.env.PORTS ?? '').split(' ').filter(Boolean).map(Number);

/** A port on loopback that nobody else is given, also while nobody listens there; js.py keeps them. */
export function port() {
  if (ports.length === 0) throw new Error('no port is left: js.py keeps a few');
  return ports.shift();
}

/** Waits until condition() is truthy and returns it; bounded, so that what never comes is a failure. */
export async function until(condition, what) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const got = await condition();
    if (got) return got;
    if (Date.now() > end) throw new Error(`waited in vain: ${what ?? condition}`);
    await pause(10);
  }
}

/** The misbehaving server; its answers are scripted, its requests and events can be read. End it with stop(). */
export async function troubleServer(...args) {
  const child = spawn('python3', [TROUBLE, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = await once(createInterface(child.stdout), 'line');
  const { url, ca } = JSON.parse(line);
  const call = async (path, method, body) => (await fetch(url + path, { method, body: body && JSON.stringify(body) })).text();
  return {
    url,
    ca,
    port: Number(new URL(url).port),
    script: (...answers) => call('/_script', 'POST', answers),
    seen: async () => JSON.parse(await call('/_requests', 'GET')),
    forget: () => call('/_requests', 'DELETE'),
    async stop() {
      child.stdin.end();
      await once(child, 'exit');
    },
  };
}

/** A logger that remembers what was said. */
export function listener() {
  const said = [];
  const note = (...args) => said.push(args.join(' '));
  return { said, warn: note, error: note, info: note, debug() {} };
}

/** cohortd as js.py started it: url, keys by role, and psql's rows as lists of texts. */
export function cohortd() {
  const info = JSON.parse(process.env.COHORTD ?? 'null');
  if (!info) throw new Error('no cohortd: these tests are started by clients/js/test/*.py');
  return { ...info, sql: (query) => psql(info.database, query) };
}

async function psql(database, query) {
  const child = spawn('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-c', query, database], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) out += chunk;
  return out.split('\n').filter((row) => row !== '').map((row) => row.split('|'));
}
