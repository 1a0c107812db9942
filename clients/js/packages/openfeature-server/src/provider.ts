import { webcrypto } from 'node:crypto';

import {
  cohortMetadata, EventQueue, exposureFields, MemoryStore, outcomeFields, Say, Sender, ServerClock, unitsOf, UuidMaker,
  type Details, type EventStats,
} from '@cohortd/client-core';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import type {
  EvaluationContext, Hook, HookContext, EvaluationDetails, FlagValue, JsonValue, Provider, ResolutionDetails, TrackingEventDetails,
} from '@openfeature/server-sdk';

import { DecisionFetch } from './decision_fetch.js';
import { authHeaders, withDefaults, type CohortProviderOptions, type FullOptions } from './options.js';

export type { CohortProviderOptions } from './options.js';

const MAX_REQUEST_BYTES = 1_000_000;

/**
 * cohortd behind OpenFeature's server SDK: decisions by OFREP, `track()` to outcomes. A decision is one request, and the server
 * records its exposure itself; where an experiment's exposure is `reported`, evaluate with {@link exposureHook} or call
 * {@link exposed} when somebody really sees the value.
 *
 * Events wait in memory, at most `maxQueued`: end the program by `await OpenFeature.close()`, which sends them. A program that just
 * comes to its end sends them too; `process.exit()` does not wait.
 */
export class CohortProvider extends OFREPProvider implements Provider {
  override readonly metadata = { name: 'cohortd' };

  /** Reports the exposure of the evaluation it is given to: `getStringValue(key, value, context, { hooks: [p.exposureHook] })`. */
  readonly exposureHook: Hook;

  readonly #options: FullOptions;
  readonly #queue: EventQueue;
  readonly #say: Say;
  readonly #decisions: DecisionFetch;
  #drained: Promise<number> | undefined;
  readonly #atEnd = () => void this.#drain();

  constructor(given: CohortProviderOptions) {
    const options = withDefaults(given);
    const clock = new ServerClock();
    const say = new Say(options.logger);
    const decisions = new DecisionFetch(options, clock, say);
    super({ baseUrl: options.baseUrl, headersFactory: () => authHeaders(options), fetchImplementation: decisions.fetch });
    this.#options = options;
    this.#decisions = decisions;
    this.#say = say;
    this.#queue = makeQueue(options, clock, this.#say);
    this.exposureHook = {
      after: (c: Readonly<HookContext>, details: EvaluationDetails<FlagValue>) => this.exposed(details, c.context),
    };
    process.once('beforeExit', this.#atEnd);
    void this.#probe();
  }

  override resolveBooleanEvaluation(key: string, value: boolean, context: EvaluationContext): Promise<ResolutionDetails<boolean>> {
    return this.#decisions.orDefault(value, super.resolveBooleanEvaluation(encodeURIComponent(key), value, context));
  }

  override resolveStringEvaluation(key: string, value: string, context: EvaluationContext): Promise<ResolutionDetails<string>> {
    return this.#decisions.orDefault(value, super.resolveStringEvaluation(encodeURIComponent(key), value, context));
  }

  override resolveNumberEvaluation(key: string, value: number, context: EvaluationContext): Promise<ResolutionDetails<number>> {
    return this.#decisions.orDefault(value, super.resolveNumberEvaluation(encodeURIComponent(key), value, context));
  }

  override resolveObjectEvaluation<T extends JsonValue>(key: string, value: T, context: EvaluationContext): Promise<ResolutionDetails<T>> {
    return this.#decisions.orDefault(value, super.resolveObjectEvaluation(encodeURIComponent(key), value, context));
  }

  /**
   * An outcome: `client.track('purchase', { targetingKey: 'c-17' }, { value: 12.5, plan: 'pro' })`. Kept until the server has it on
   * disk. `details.value` is a number, `details.decision` the id of a decision, everything else an attribute.
   */
  track(name: string, context: EvaluationContext, details: TrackingEventDetails = {}): void {
    const units = unitsOf(context, this.#options.unitTypes);
    if (units) this.#queue.add('outcomes', outcomeFields(name, units, details));
    else this.#queue.refuse('nobody', `"${name}" was tracked without a targetingKey; nobody knows whom it is about.`);
  }

  /** Somebody really sees what was decided: reports it, for the experiment and the holdouts of the decision. */
  exposed(details: Details, context: EvaluationContext): void {
    const units = unitsOf(context, this.#options.unitTypes);
    if (!units) return;
    for (const fields of exposureFields(cohortMetadata(details), units, context)) this.#queue.add('exposures', fields);
  }

  /** What became of the events so far. */
  stats(): EventStats {
    return this.#queue.stats;
  }

  /** Sends what waits, for at most `ms` (`drainMs` unless told); returns how many events still wait then. They are sent later. */
  flush(ms = this.#options.drainMs): Promise<number> {
    return this.#queue.flush(ms);
  }

  /** Sends what waits, for at most `drainMs`; says how many events were lost, if any. */
  async onClose(): Promise<void> {
    process.removeListener('beforeExit', this.#atEnd);
    await this.#drain();
  }

  /**
   * Asks once whether the server is there: for its clock, and to say when it is not. Nobody waits for it: while a provider is not ready,
   * OpenFeature drops what is tracked.
   */
  async #probe(): Promise<void> {
    try {
      await this.#decisions.fetch(`${this.#options.baseUrl}/healthz`);
    } catch {
      this.#say.once('away', `${this.#options.baseUrl} does not answer; the defaults of the code are served until it does.`);
    }
  }

  async #drain(): Promise<number> {
    this.#drained ??= this.#queue.close(this.#options.drainMs).then((left) => {
      if (left > 0) this.#say.once('lost', `${left} events could not be sent before the end and are lost.`);
      return left;
    });
    return this.#drained;
  }
}

function makeQueue(o: FullOptions, clock: ServerClock, say: Say): EventQueue {
  const sender = new Sender({
    baseUrl: o.baseUrl, headers: () => authHeaders(o), fetch: o.fetchImplementation, clock, timeoutMs: o.eventTimeoutMs,
  });
  return new EventQueue({
    store: new MemoryStore(),
    sender,
    clock,
    uuids: new UuidMaker((bytes) => webcrypto.getRandomValues(bytes)),
    say,
    chance: Math.random,
    maxQueued: o.maxQueued,
    maxBatch: o.maxBatch,
    maxBytes: MAX_REQUEST_BYTES,
    intervalMs: o.flushIntervalMs,
    keepalive: false,
    pace: { minMs: o.backoffMinMs, maxMs: o.backoffMaxMs },
    setTimer: (run, ms) => setTimeout(run, ms).unref(),
  });
}
