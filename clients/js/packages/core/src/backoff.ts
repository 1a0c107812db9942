/** A proxy's mistake stops nobody for a day. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** How long to wait between attempts: `minMs`, doubled each time, never more than `maxMs`. */
export interface Pace {
  readonly minMs: number;
  readonly maxMs: number;
}

export const PACE: Pace = { minMs: 1_000, maxMs: 60_000 };

/**
 * Milliseconds to wait before attempt number `attempt` + 1 (`attempt` counts from 1): half to all of the pace's, by chance, so
 * that clients which failed together don't come back together. What the server asked for is waited for in full, and up to a
 * quarter more, when that is longer.
 *
 * @param random a number in [0, 1)
 * @param retryAfterMs what the server asked for, see {@link retryAfter}
 */
export function backoff(pace: Pace, attempt: number, random: number, retryAfterMs?: number): number {
  const full = Math.min(pace.maxMs, pace.minMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(Math.max(full * (0.5 + random / 2), (retryAfterMs ?? 0) * (1 + random / 4)));
}

/** A `Retry-After` header in milliseconds, at most an hour; undefined when it is not whole seconds. */
export function retryAfter(header: string | null): number | undefined {
  const text = header?.trim() ?? '';
  return /^\d+$/.test(text) ? Math.min(MAX_RETRY_AFTER_MS, Number(text) * 1000) : undefined;
}

/** An answer's headers with `Retry-After` as it counts here: for OpenFeature's providers, who obey dates and days too. */
export function withRetryAfter(headers: Headers): Headers {
  const ms = retryAfter(headers.get('retry-after'));
  const counted = new Headers(headers);
  if (ms === undefined) counted.delete('retry-after');
  else counted.set('retry-after', String(ms / 1000));
  return counted;
}
