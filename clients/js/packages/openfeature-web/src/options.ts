import type { OFREPWebProviderOptions } from '@openfeature/ofrep-web-provider';
import type { Logger } from '@openfeature/web-sdk';

/** Those of the OFREP web provider (cache, polling, push), and: */
export type CohortWebProviderOptions = Omit<OFREPWebProviderOptions, 'headers'> & {
  /** A key of role `client`: whoever opens the page can read it. */
  readonly apiKey?: string;
  /** Names of context attributes that are ids of a unit type beside `user`: `['account', 'device']`. None unless told. */
  readonly unitTypes?: readonly string[];
  /**
   * `on-use`: asking for a value is an exposure, once a unit, experiment and variant in a session. `manual`: only evaluations that are
   * given `provider.exposureHook`, and calls of `provider.exposed()`, are. `on-use` unless told.
   */
  readonly exposures?: 'on-use' | 'manual';
  /** A batch of events that takes longer is sent again: 10,000 ms. */
  readonly eventTimeoutMs?: number;
  /** How long an event waits for others: 2,000 ms. */
  readonly flushIntervalMs?: number;
  /** The most events of a request, 1 to 1,000: 100. */
  readonly maxBatch?: number;
  /** The most events that wait in the browser's storage, for all tabs; then the oldest are dropped and counted: 1,000. */
  readonly maxQueued?: number;
  /** Between attempts that fail, doubled each time, from 1,000 to 60,000 ms; half to all of it by chance. */
  readonly backoffMinMs?: number;
  readonly backoffMaxMs?: number;
  /** How long closing the provider waits for events to be sent; what is left stays in the storage: 2,000 ms. */
  readonly drainMs?: number;
  /**
   * Names the queue in the browser's storage: the address of the server. Providers of equal names share one, and any of them sends
   * what is in it, with its own key: give those with keys of different environments different names.
   */
  readonly queueName?: string;
  /** Where trouble is said, once: `console`. */
  readonly logger?: Logger;
};

type Filled =
  | 'unitTypes' | 'exposures' | 'eventTimeoutMs' | 'flushIntervalMs' | 'maxBatch' | 'maxQueued' | 'backoffMinMs' | 'backoffMaxMs' | 'drainMs' | 'queueName' | 'logger';

/** The options with what is left out filled in. */
export type FullOptions = CohortWebProviderOptions & Required<Pick<CohortWebProviderOptions, Filled>>;

export function withDefaults(given: CohortWebProviderOptions): FullOptions {
  const baseUrl = given.baseUrl.replace(/\/+$/, '');
  return {
    unitTypes: [],
    exposures: 'on-use',
    eventTimeoutMs: 10_000,
    flushIntervalMs: 2_000,
    maxBatch: 100,
    maxQueued: 1_000,
    backoffMinMs: 1_000,
    backoffMaxMs: 60_000,
    drainMs: 2_000,
    queueName: baseUrl,
    logger: console,
    ...given,
    baseUrl,
  };
}

/** What every request says about who sends it. */
export async function authHeaders(o: FullOptions): Promise<[string, string][]> {
  const own: [string, string][] = o.apiKey === undefined ? [] : [['Authorization', `Bearer ${o.apiKey}`]];
  return [...own, ...((await o.headersFactory?.()) ?? [])];
}
