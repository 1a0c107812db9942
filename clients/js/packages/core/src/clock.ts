/** Clocks that differ by less agree. */
const TOLERANCE_MS = 60_000;

/** An answer that took longer says too little about the clock. */
const SLOW_ANSWER_MS = 10_000;

/**
 * This machine's clock, corrected by what servers say in their `Date` header: a phone that is an hour slow reports its events
 * at the time they happened. Without such an answer it is this machine's clock as it is.
 */
export class ServerClock {
  #skewMs = 0;

  constructor(private readonly local: () => number = Date.now) {}

  /** Unix milliseconds. */
  now(): number {
    return this.local() + this.#skewMs;
  }

  /** How far the server's clock is ahead of this one, in milliseconds; 0 while they agree within a minute. */
  get skewMs(): number {
    return this.#skewMs;
  }

  /** `date`: the answer's Date header; `sentAt`: `Date.now()` when its request left. */
  heard(date: string | null, sentAt: number): void {
    const receivedAt = this.local();
    const theirs = date === null ? NaN : Date.parse(date) + 500;
    const took = receivedAt - sentAt;
    if (Number.isNaN(theirs) || took < 0 || took > SLOW_ANSWER_MS) return;
    const skew = Math.round(theirs - (sentAt + took / 2));
    this.#skewMs = Math.abs(skew) > TOLERANCE_MS ? skew : 0;
  }
}
