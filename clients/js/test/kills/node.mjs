// Tracks until its input ends, then closes; prints "ready", and at the end its statistics and the ids it made.
import { CohortProvider } from '@cohortd/openfeature-server';
import { OpenFeature } from '@openfeature/server-sdk';

const { url, keys } = JSON.parse(process.env.COHORTD);
const provider = new CohortProvider({
  baseUrl: url, apiKey: keys.events, flushIntervalMs: 20, backoffMinMs: 50, backoffMaxMs: 500, drainMs: 60_000, maxQueued: 100_000,
  logger: { warn() {}, info() {} },
  fetchImplementation: (input, init) => (note(init?.body), fetch(input, init)),
});
await OpenFeature.setProviderAndWait(provider);
const client = OpenFeature.getClient();

function note(body) {
  if (typeof body !== 'string' || !body.startsWith('{"events"')) return;
  for (const { id } of JSON.parse(body).events) seen.add(id);
}

const seen = new Set();
let n = 0;
const timer = setInterval(() => client.track('buy', { targetingKey: `k-${n % 50}` }, { value: n++ }), 2);
console.log('ready');
process.stdin.resume();
process.stdin.on('end', async () => {
  clearInterval(timer);
  await OpenFeature.close();
  console.log(JSON.stringify({ ...provider.stats(), tracked: n, ids: [...seen] }));
});
