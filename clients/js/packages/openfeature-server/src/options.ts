import type { Logger } from '@cohortd/client-core';

export interface CohortProviderOptions {
  /** Where cohortd is: `https://cohort.example`. */
  readonly baseUrl: string;
  /** A key of role `events` (its outcomes are trusted) or `client`. */
  readonly apiKey?: string;
  /** More headers for every request, or another way to say who it is; called for each, so that keys can change. */
  readonly headersFactory?: () => Promise<Record<string, string>> | Record<string, string>;
  /** Names of context attributes that are ids of a unit type beside `user`: `['account', 'device']`. None unless told. */
  readonly unitTypes?: readonly string[];
  /** A decision that takes longer gives the default of the code: 2,000 ms. */
  readonly timeoutMs?: number;
  /** A batch of events that takes longer is sent again: 10,000 ms. */
  readonly eventTimeoutMs?: number;
  /** How long an event waits for others: 1,000 ms. */
  readonly flushIntervalMs?: number;
  /** The most events of a request, 1 to 1,000: 500. */
  readonly maxBatch?: number;
  /** The most events that wait in memory, about 300 bytes each; then the oldest are dropped and counted: 10,000. */
  readonly maxQueued?: number;
  /** Between attempts that fail, doubled each time, from 1,000 to 60,000 ms; half to all of it by chance. */
  readonly backoffMinMs?: number;
  readonly backoffMaxMs?: number;
  /** How long `OpenFeature.close()` and the end of the program wait for events to be sent: 10,000 ms. */
  readonly drainMs?: number;
  /** Where trouble is said, once: `console`. */
  readonly logger?: Logger;
  /** `fetch` unless told. */
  readonly fetchImplementation?: typeof fetch;
}

/** The options with what is left out filled in. */
export function withDefaults(given: CohortProviderOptions) {
  return {
    unitTypes: [] as readonly string[],
    timeoutMs: 2_000,
    eventTimeoutMs: 10_000,
    flushIntervalMs: 1_000,
    maxBatch: 500,
    maxQueued: 10_000,
    backoffMinMs: 1_000,
    backoffMaxMs: 60_000,
    drainMs: 10_000,
    logger: console as Logger,
    fetchImplementation: ((input, init) => fetch(input, init)) as typeof fetch,
    ...given,
    baseUrl: given.baseUrl.replace(/\/+$/, ''),
  };
}

export type FullOptions = ReturnType<typeof withDefaults>;

/** What every request says about who sends it. */
export async function authHeaders(o: FullOptions): Promise<Record<string, string>> {
  return { ...(o.apiKey === undefined ? {} : { Authorization: `Bearer ${o.apiKey}` }), ...(await o.headersFactory?.()) };
}
