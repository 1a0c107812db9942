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
 * quarter longer.
 *
 * @param random a number in [0, 1)
 * @param retryAfterMs what the server asked for, see {@link retryAfter}
 */
export function backoff(pace: Pace, attempt: number, random: number, retryAfterMs?: number): number {
  if (retryAfterMs !== undefined) return Math.round(retryAfterMs * (1 + random / 4));
  const full = Math.min(pace.maxMs, pace.minMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(full * (0.5 + random / 2));
}

/** A `Retry-After` header in milliseconds, at least a second and at most an hour; undefined when it is not whole seconds. */
export function retryAfter(header: string | null): number | undefined {
  const text = header?.trim() ?? '';
  return /^\d+$/.test(text) ? Math.min(MAX_RETRY_AFTER_MS, Math.max(1000, Number(text) * 1000)) : undefined;
}
