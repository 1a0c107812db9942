const REMEMBERED_MAX = 1_000;

/** Then it is reported again: what was restarted meanwhile must not go unseen in a tab that is never closed. */
const SESSION_MS = 30 * 60_000;

/** What this tab reported in this session, so that using a value a thousand times is one exposure; outlives reloads. */
export class Session {
  readonly #seen: Map<string, number>;
  readonly #key: string;

  constructor(name: string) {
    this.#key = `cohortd-exposed:${name}`;
    this.#seen = new Map(this.#load());
  }

  /** True the first time it is asked about this, and half an hour later. */
  first(what: readonly unknown[]): boolean {
    const text = JSON.stringify(what);
    const age = Date.now() - (this.#seen.get(text) ?? -Infinity);
    if (age >= 0 && age < SESSION_MS) return false;
    this.#seen.delete(text);
    this.#seen.set(text, Date.now());
    for (const oldest of this.#seen.keys()) {
      if (this.#seen.size <= REMEMBERED_MAX) break;
      this.#seen.delete(oldest);
    }
    try {
      sessionStorage.setItem(this.#key, JSON.stringify([...this.#seen]));
    } catch {
      /* no storage: remembered as long as the page */
    }
    return true;
  }

  #load(): [string, number][] {
    try {
      const list = JSON.parse(sessionStorage.getItem(this.#key) ?? '[]') as unknown;
      return Array.isArray(list) ? list.filter((e): e is [string, number] => typeof e?.[0] === 'string' && typeof e[1] === 'number') : [];
    } catch {
      return [];
    }
  }
}
