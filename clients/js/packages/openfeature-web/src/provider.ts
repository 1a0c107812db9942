import {
  backoff, cohortMetadata, EventQueue, exposureFields, KEEPALIVE_BYTES, MemoryStore, outcomeFields, Say, Sender,
  ServerClock, unitsOf, UuidMaker, type Details, type EventStats, type EventStore,
} from '@cohortd/client-core';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import {
  ClientProviderEvents, GeneralError, type EvaluationContext, type EvaluationDetails, type FlagValue, type Hook, type HookContext,
  type Provider, type TrackingEventDetails,
} from '@openfeature/web-sdk';

import { BrowserStore, pageStorage } from './browser_store.js';
import { BulkFetch, forGood } from './bulk_fetch.js';
import { EventTokens } from './event_tokens.js';
import { authHeaders, withDefaults, type CohortWebProviderOptions, type FullOptions } from './options.js';
import { Session } from './session.js';

/**
 * cohortd behind OpenFeature's web SDK. All flags come in one request when the page starts and are kept for the next visit; that is no
 * exposure. Using a value is one, reported once a unit, experiment and variant in a session. `client.track()` reports outcomes.
 *
 * Events are in the browser's storage from the moment they are made until the server has them on disk: they outlive reloads, crashes
 * and days without a network. Every tab of the site shares them, one of them sends, and a repeat counts once.
 */
export class CohortWebProvider extends OFREPWebProvider implements Provider {
  override readonly metadata = { name: 'cohortd web' };

  /** Reports the exposure of the evaluation it is given to; at work for all of them unless `exposures` is `manual`. */
  readonly exposureHook: Hook;
  override readonly hooks: Hook[];

  readonly #options: FullOptions;
  readonly #bulk: BulkFetch;
  readonly #say: Say;
  readonly #store: EventStore;
  readonly #queue: EventQueue;
  readonly #session: Session;
  readonly #tokens: EventTokens;
  #context: EvaluationContext | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  readonly #atHide = () => this.#hidden();
  readonly #atOnline = () => this.#queue.wake();

  constructor(given: CohortWebProviderOptions) {
    const options = withDefaults(given);
    const clock = new ServerClock();
    const tokens = new EventTokens(options.unitTypes);
    const bulk = new BulkFetch(clock, tokens, pace(options), options.fetchImplementation as typeof fetch | undefined);
    super({ ...options, headersFactory: () => authHeaders(options), fetchImplementation: bulk.fetch }, options.logger);
    this.#options = options;
    this.#bulk = bulk;
    this.#say = new Say(options.logger);
    const storage = pageStorage();
    this.#store = storage ? BrowserStore.open(storage, options.queueName) : new MemoryStore();
    this.#tokens = tokens;
    this.#queue = makeQueue(options, clock, bulk, tokens, this.#say, this.#store);
    this.#session = new Session(options.queueName);
    this.exposureHook = {
      after: (c: Readonly<HookContext>, details: EvaluationDetails<FlagValue>) => this.exposed(details, c.context),
    };
    this.hooks = options.exposures === 'on-use' ? [this.exposureHook] : [];
    this.#listen('add');
  }

  override async initialize(context?: EvaluationContext, domain?: string): Promise<void> {
    this.#context = context;
    try {
      await super.initialize(context, domain);
      this.#learnToken();
      this.#watch(domain, 1, false);
    } catch (error) {
      this.#watch(domain, 1, true);
      /* Not fatal, whatever it was: OpenFeature would drop what is tracked, and cached flags with it. */
      throw new GeneralError(sentence(error), { cause: error });
    }
  }

  override async onContextChange(before: EvaluationContext, after: EvaluationContext): Promise<void> {
    this.#context = after;
    await super.onContextChange(before, after);
    if (this.#context === after) this.#learnToken();
  }

  /**
   * An outcome: `client.track('purchase', { value: 12.5, plan: 'pro' })`. In the browser's storage when this returns.
   * `details.value` is a number, `details.decision` the id of a decision, everything else an attribute.
   */
  track(name: string, context: EvaluationContext, details: TrackingEventDetails = {}): void {
    const units = unitsOf(context, this.#options.unitTypes);
    if (!units) {
      this.#queue.refuse('nobody', `"${name}" was tracked without a targetingKey; nobody knows whom it is about.`);
      return;
    }
    const token = this.#tokens.of(units);
    this.#queue.add('outcomes', { ...outcomeFields(name, units, details), ...(token === undefined ? {} : { event_token: token }) });
  }

  /** Somebody really sees what was decided: reports it, once in a session. `context` matters only for values of an earlier visit. */
  exposed(details: Details, context: EvaluationContext): void {
    const metadata = cohortMetadata(details);
    const decidedFor = (metadata.decisionId && this.#bulk.contextOf(metadata.decisionId)) || context;
    const units = unitsOf(decidedFor, this.#options.unitTypes);
    if (!units) return;
    for (const fields of exposureFields(metadata, units, decidedFor))
      if (this.#session.first([fields['experiment'], fields['phase'], fields['variant'], units])) this.#queue.add('exposures', fields);
  }

  /** What became of the events so far. */
  stats(): EventStats {
    return this.#queue.stats;
  }

  /** Sends what waits, for at most `ms` (`drainMs` unless told); returns how many events still wait then. They are sent later. */
  flush(ms = this.#options.drainMs): Promise<number> {
    return this.#queue.flush(ms);
  }

  /** Sends what waits, for at most `drainMs`; what is left is sent by the next page. */
  override async onClose(): Promise<void> {
    clearTimeout(this.#retry);
    this.#listen('remove');
    await super.onClose?.();
    await this.#queue.close(this.#options.drainMs);
  }

  /**
   * After a start without a server's answer (`failed`: without flags of an earlier visit, too): asks again, in growing pauses, until there
   * is one. Errors that asking can't mend are left.
   */
  #watch(domain: string | undefined, attempt: number, failed: boolean): void {
    const { status, retryAfterMs } = this.#bulk.end;
    if (failed ? forGood(status) : this.#bulk.answered) return;
    const again = () => void this.#startAgain(domain, attempt, failed);
    this.#retry = setTimeout(again, backoff(pace(this.#options), attempt, Math.random(), retryAfterMs));
  }

  async #startAgain(domain: string | undefined, attempt: number, failed: boolean): Promise<void> {
    if (!failed && this.#bulk.answered) return;
    try {
      await super.initialize(this.#context, domain);
    } catch {
      this.#watch(domain, attempt + 1, failed);
      return;
    }
    this.#learnToken();
    if (failed) {
      this.events.emit(ClientProviderEvents.Ready, { message: 'cohortd answers again' });
      this.events.emit(ClientProviderEvents.ConfigurationChanged, { flagsChanged: Object.keys(this.flagCache) });
    }
    this.#watch(domain, attempt + 1, false);
  }

  /** From flags that an earlier visit kept: a 304 brings no token. */
  #learnToken(): void {
    for (const flag of Object.values(this.flagCache)) {
      const token = 'metadata' in flag ? flag.metadata?.['eventToken'] : undefined;
      if (token === undefined) continue;
      this.#tokens.learn(this.#context ?? {}, token);
      return;
    }
  }

  #listen(what: 'add' | 'remove'): void {
    if (typeof window === 'undefined') return;
    const method = `${what}EventListener` as const;
    window[method]('pagehide', this.#atHide);
    window[method]('online', this.#atOnline);
    document[method]('visibilitychange', this.#atHide);
  }

  #hidden(): void {
    if (document.visibilityState === 'hidden') this.#queue.sendNow(KEEPALIVE_BYTES);
  }
}

function sentence(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}

/** Runs the work in one tab of the site at a time; where browsers have no locks (pages without TLS), in each. */
function inOneTab(name: string) {
  const locks = (globalThis.navigator as Navigator | undefined)?.locks;
  if (!locks) return async (work: () => Promise<void>) => (await work(), true);
  return (work: () => Promise<void>) =>
    locks.request(`cohortd:${name}`, { ifAvailable: true }, async (lock) => (lock ? (await work(), true) : false));
}

const pace = (o: FullOptions) => ({ minMs: o.backoffMinMs, maxMs: o.backoffMaxMs });

function makeQueue(
  o: FullOptions, clock: ServerClock, bulk: BulkFetch, tokens: EventTokens, say: Say, store: EventStore,
): EventQueue {
  const inBody = o.headersFactory ? undefined : o.apiKey;
  const sender = new Sender({
    baseUrl: o.baseUrl,
    headers: inBody === undefined ? async () => Object.fromEntries(await authHeaders(o)) : () => ({}),
    bodyKey: inBody,
    finish: tokens.finish,
    fetch: (o.fetchImplementation as typeof fetch | undefined) ?? ((url, init) => fetch(url, init)),
    clock,
    timeoutMs: o.eventTimeoutMs,
  });
  return new EventQueue({
    store,
    sender,
    clock,
    uuids: new UuidMaker((bytes) => crypto.getRandomValues(bytes)),
    say,
    chance: Math.random,
    maxQueued: o.maxQueued,
    maxBatch: o.maxBatch,
    maxBytes: KEEPALIVE_BYTES,
    intervalMs: o.flushIntervalMs,
    keepalive: true,
    pace: pace(o),
    exclusively: inOneTab(o.queueName),
    ready: () => bulk.answered,
  });
}
