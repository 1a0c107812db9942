import { retryAfter } from './backoff.js';
import type { ServerClock } from './clock.js';
import type { EventKind, QueuedEvent } from './store.js';

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;
export type Headers = Record<string, string>;

/** What a server made of one event. */
export interface Refusal {
  readonly code: string;
  readonly reason: string;
}

export type Verdict =
  /** The server has them on disk, but for those it refused. */
  | { readonly kind: 'answered'; readonly refused: ReadonlyMap<string, Refusal> }
  /** None of them was kept: again later, with the same ids. */
  | { readonly kind: 'wait'; readonly retryAfterMs: number | undefined; readonly why: string }
  /** None of them was kept, and all of them together never will be. */
  | { readonly kind: 'unfit'; readonly why: string };

export interface SenderOptions {
  readonly baseUrl: string;
  readonly headers: () => Promise<Headers> | Headers;
  /** A client key that goes first in the body instead of a header, so that browsers need no preflight. */
  readonly bodyKey?: string | undefined;
  /** The event as it is sent; its `body` unless told. */
  readonly finish?: (event: QueuedEvent) => string;
  readonly fetch: Fetch;
  readonly clock: ServerClock;
  readonly timeoutMs: number;
}

/** What browsers let requests that outlive their page carry, all of them together. */
export const KEEPALIVE_BYTES = 60_000;

/** How many bytes events are in a request. */
export function bytesOf(events: readonly QueuedEvent[]): number {
  const encoder = new TextEncoder();
  return events.reduce((sum, e) => sum + encoder.encode(e.body).length + 1, 16);
}

/** Sends a batch of one kind, once, and says what became of it. Never throws. */
export class Sender {
  constructor(private readonly options: SenderOptions) {}

  /** `keepalive`: the request may outlive the page. */
  async send(kind: EventKind, events: readonly QueuedEvent[], keepalive: boolean): Promise<Verdict> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), this.options.timeoutMs);
    const sentAt = Date.now();
    try {
      const { bodyKey } = this.options;
      const type = bodyKey === undefined ? 'application/json' : 'text/plain';
      const headers = { ...(await this.options.headers()), 'Content-Type': type };
      const response = await this.options.fetch(`${this.options.baseUrl}/v1/${kind}`, {
        method: 'POST',
        headers,
        body: this.#batch(events),
        redirect: 'manual',
        signal: abort.signal,
        ...(keepalive ? { keepalive } : {}),
      });
      this.options.clock.heard(response.headers.get('date'), sentAt);
      return await this.#judge(response, events);
    } catch (error) {
      const why = abort.signal.aborted ? `no answer within ${this.options.timeoutMs} ms` : reasonOf(error);
      return { kind: 'wait', retryAfterMs: undefined, why };
    } finally {
      clearTimeout(timer);
    }
  }

  #batch(events: readonly QueuedEvent[]): string {
    const { bodyKey, finish } = this.options;
    const key = bodyKey === undefined ? '' : `"key":${JSON.stringify(bodyKey)},`;
    return `{${key}"events":[${events.map((e) => finish?.(e) ?? e.body).join(',')}]}`;
  }

  async #judge(response: Response, events: readonly QueuedEvent[]): Promise<Verdict> {
    const { status } = response;
    if (status === 202) return answered(await response.text(), events);
    const why = await explain(response);
    if (unfit(response)) return { kind: 'unfit', why };
    return { kind: 'wait', retryAfterMs: retryAfter(response.headers.get('retry-after')), why };
  }
}

/** Whether these events can't be taken together. A page of HTML was not written by cohortd: a proxy's 400 says nothing about them. */
function unfit({ status, headers }: Response): boolean {
  const page = headers.get('content-type')?.startsWith('text/html') ?? false;
  return status === 413 || (status === 400 && !page);
}

/** Anything but the documented answer is not believed: a proxy's page is no promise. */
function answered(text: string, events: readonly QueuedEvent[]): Verdict {
  const strange: Verdict = { kind: 'wait', retryAfterMs: undefined, why: '202 with a body that is not cohortd\'s' };
  const refused = new Map<string, Refusal>();
  const results = resultsOf(text);
  if (results?.length !== events.length) return strange;
  for (const [i, event] of events.entries()) {
    const result = results[i]!;
    if (result.status === 'rejected') refused.set(event.id, { code: String(result.code), reason: String(result.reason) });
    else if (result.status !== 'accepted') return strange;
  }
  return { kind: 'answered', refused };
}

type Result = { status?: unknown; code?: unknown; reason?: unknown };

/** The answers in the order of the events, each at its index; undefined when this is not such a body. */
function resultsOf(text: string): Result[] | undefined {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return undefined;
  }
  const results = (body as { results?: unknown } | null)?.results;
  if (!Array.isArray(results)) return undefined;
  return results.every((r, i) => typeof r === 'object' && r !== null && r.index === i) ? results : undefined;
}

/** Status and, where the body is a problem document, its sentence. Never a page of HTML. */
async function explain(response: Response): Promise<string> {
  if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400))
    return 'a redirect; is the address right?';
  try {
    const { detail } = JSON.parse(await response.text()) as { detail?: unknown };
    return typeof detail === 'string' ? `${response.status}: ${detail}` : String(response.status);
  } catch {
    return String(response.status);
  }
}

/** Node's fetch hides the cause (a refused connection, a certificate) behind "fetch failed". */
function reasonOf(error: unknown): string {
  const cause = (error as { cause?: { code?: unknown; message?: unknown } } | null)?.cause;
  if (typeof cause?.code === 'string') return cause.code;
  if (typeof cause?.message === 'string') return cause.message;
  return error instanceof Error ? error.message : String(error);
}
