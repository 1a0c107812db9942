const REMEMBERED_MAX = 1_000;

/** What this tab reported in this session, so that using a value a thousand times is one exposure; outlives reloads. */
export class Session {
  readonly #seen: Set<string>;
  readonly #key: string;

  constructor(name: string) {
    this.#key = `cohortd-exposed:${name}`;
    this.#seen = new Set(this.#load());
  }

  /** True the first time it is asked about this. */
  first(what: readonly unknown[]): boolean {
    const text = JSON.stringify(what);
    if (this.#seen.has(text)) return false;
    this.#seen.add(text);
    for (const oldest of this.#seen) {
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

  #load(): string[] {
    try {
      const list = JSON.parse(sessionStorage.getItem(this.#key) ?? '[]') as unknown;
      return Array.isArray(list) ? list.filter((s) => typeof s === 'string') : [];
    } catch {
      return [];
    }
  }
}
