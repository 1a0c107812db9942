import { withRetryAfter, type Say, type ServerClock } from '@cohortd/client-core';
import { OFREPApiUnexpectedResponseError } from '@openfeature/ofrep-core';
import type { FlagMetadata, ResolutionDetails } from '@openfeature/server-sdk';

import { Breaker } from './breaker.js';
import type { FullOptions } from './options.js';

/** An answer of OFREP, as far as it is read here. */
interface Answer {
  readonly reason?: string;
  readonly variant?: string;
  readonly metadata?: FlagMetadata;
}

/** `fetch` for decisions: with a time limit and a breaker, which the OFREP provider has not, and with an eye on what was answered. */
export class DecisionFetch {
  /** Answers of 200 without a value: "use the default of the code", which the OFREP provider takes for a malformed answer. */
  readonly #withoutValue = new WeakMap<Response, Answer>();

  readonly #breaker = new Breaker();

  constructor(
    private readonly options: FullOptions,
    private readonly clock: ServerClock,
    private readonly say: Say,
  ) {}

  readonly fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    if (this.#breaker.open) throw new Error('cohortd was away three times in a row; it is not asked for now');
    try {
      const response = await this.#ask(input, init);
      if (response.status >= 500) this.#breaker.failed();
      else this.#breaker.succeeded();
      this.#judgeKey(response.status);
      return response;
    } catch (error) {
      this.#breaker.failed();
      throw error;
    }
  };

  /** A key that is wrong shows in nothing but defaults: it is said. */
  #judgeKey(status: number): void {
    if (status === 401 || status === 403) this.say.once('key', `the server answers ${status} to this key; the defaults of the code are served.`);
    else if (status === 200) this.say.over('key', 'the key is taken.');
  }

  async #ask(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const sentAt = Date.now();
    const signal = AbortSignal.timeout(this.options.timeoutMs);
    const response = await this.options.fetchImplementation(input, { ...init, signal, redirect: 'manual' });
    this.clock.heard(response.headers.get('date'), sentAt);
    const text = await response.text();
    const { status, statusText, headers } = response;
    const read = new Response(text === '' ? null : text, { status, statusText, headers: withRetryAfter(headers) });
    if (status === 200) this.#note(read, text);
    return read;
  }

  /** What the provider resolved, or the code's default where the server said so. */
  async orDefault<T>(value: T, resolved: Promise<ResolutionDetails<T>>): Promise<ResolutionDetails<T>> {
    try {
      return await resolved;
    } catch (error) {
      const response = error instanceof OFREPApiUnexpectedResponseError ? error.response : undefined;
      const answer = response && this.#withoutValue.get(response);
      if (!answer) throw error;
      return {
        value,
        ...(answer.reason === undefined ? {} : { reason: answer.reason }),
        ...(answer.variant === undefined ? {} : { variant: answer.variant }),
        ...(answer.metadata === undefined ? {} : { flagMetadata: answer.metadata }),
      };
    }
  }

  #note(response: Response, text: string): void {
    try {
      const body = JSON.parse(text) as Answer | null;
      if (body && typeof body === 'object' && !('value' in body) && !('errorCode' in body)) this.#withoutValue.set(response, body);
    } catch {
      /* no JSON: the OFREP provider says so */
    }
  }
}
