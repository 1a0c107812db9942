import { backoff, retryAfter, withRetryAfter, type Context, type Pace, type ServerClock } from '@cohortd/client-core';

import type { EventTokens } from './event_tokens.js';

/** How the last bulk request ended. */
export interface BulkEnd {
  /** Its status; 0 when there was no answer. */
  readonly status: number;
  readonly retryAfterMs: number | undefined;
}

/** An answer that asking again does not change: 304 too. */
export const forGood = (status: number) => status >= 300 && status < 500 && status !== 408 && status !== 429;

/** Asked for by a stream: what changed is told once, so that an attempt that fails must not be the last. */
function isPushed(input: RequestInfo | URL): input is Request {
  return input instanceof Request && new URL(input.url).searchParams.has('flagConfigEtag');
}

/** Waits; false, and at once, when it is given up meanwhile. */
function pause(ms: number, signal: AbortSignal | null | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const end = () => (clearTimeout(timer), resolve(!signal?.aborted));
    const timer = setTimeout(end, ms);
    if (signal?.aborted) end();
    signal?.addEventListener('abort', end, { once: true });
  });
}

/** A bulk answer, as far as it is read here. */
interface Bulk {
  readonly flags: { metadata?: { decisionId?: unknown } }[];
  readonly metadata?: { eventToken?: unknown };
}

/**
 * `fetch` for bulk evaluations, with an eye on what was answered: for whom each decision was made (the page's context may have moved
 * on by the time a value is used), the event tokens, the server's clock, and whether it failed.
 */
export class BulkFetch {
  #end: BulkEnd = { status: 0, retryAfterMs: undefined };
  #answered = false;
  #decided = new Map<string, Context>();
  #before = new Map<string, Context>();

  constructor(
    private readonly clock: ServerClock,
    private readonly tokens: EventTokens,
    private readonly pace: Pace,
    private readonly via: typeof fetch = (input, init) => fetch(input, init),
  ) {}

  get end(): BulkEnd {
    return this.#end;
  }

  /** True once a server has answered: with flags, or that it never will. */
  get answered(): boolean {
    return this.#answered;
  }

  /** The context a decision was made for; undefined for one of an earlier visit. */
  contextOf(decisionId: string): Context | undefined {
    return this.#decided.get(decisionId) ?? this.#before.get(decisionId);
  }

  readonly fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    if (!isPushed(input)) return this.#once(input, init);
    for (let attempt = 1; ; attempt++) {
      const response = await this.#once(input.clone(), init).catch((error: unknown) => error);
      const { status, retryAfterMs } = this.#end;
      const good = response instanceof Response && (status === 200 || forGood(status));
      if (good || !(await pause(backoff(this.pace, attempt, Math.random(), retryAfterMs), init?.signal))) {
        if (response instanceof Response) return response;
        throw response;
      }
    }
  };

  async #once(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const asked = input instanceof Request ? input.clone() : undefined;
    const sentAt = Date.now();
    this.#end = { status: 0, retryAfterMs: undefined };
    const response = await this.via(input, init);
    this.clock.heard(response.headers.get('date'), sentAt);
    const after = retryAfter(response.headers.get('retry-after'));
    this.#end = { status: response.status, retryAfterMs: after };
    if (response.status !== 200) {
      this.#answered ||= forGood(response.status);
      if (response.status !== 429) return response;
      return new Response(response.body, { status: 429, statusText: response.statusText, headers: withRetryAfter(response.headers) });
    }
    const text = await response.text();
    await this.#note(text, asked);
    this.#answered = true;
    return new Response(text, { status: 200, statusText: response.statusText, headers: response.headers });
  }

  async #note(text: string, asked: Request | undefined): Promise<void> {
    try {
      const { flags, metadata: all } = JSON.parse(text) as Bulk;
      const { context } = (await asked?.json()) as { context: Context };
      const decided = new Map<string, Context>();
      for (const { metadata } of flags)
        if (typeof metadata?.decisionId === 'string') decided.set(metadata.decisionId, context);
      this.tokens.learn(context, all?.eventToken);
      this.#before = this.#decided;
      this.#decided = decided;
    } catch {
      /* not a bulk answer: the OFREP provider says so */
    }
  }
}
