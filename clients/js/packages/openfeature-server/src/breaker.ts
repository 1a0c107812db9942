const FAILURES = 3;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/** After three failures in a row nobody is asked for a second, then for two, …, thirty: a server that is away costs no waiting. */
export class Breaker {
  #failures = 0;
  #until = 0;

  /** True while asking is of no use. */
  get open(): boolean {
    return Date.now() < this.#until;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(): void {
    this.#failures++;
    if (this.#failures < FAILURES) return;
    this.#until = Date.now() + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.#failures - FAILURES, 10));
  }
}
