import type { EventStore, QueuedEvent } from '@cohortd/client-core';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Events in the browser's localStorage, one key each: what was added outlives the page, and tabs that add and remove at the same
 * time can't overwrite each other's. Queues of one name in one page share one of these, for the browser tells a page of the changes
 * of other pages alone.
 */
export class BrowserStore implements EventStore {
  static readonly #open = new Map<string, BrowserStore>();

  readonly durable = true;
  readonly flying = new Set<string>();
  readonly #ids = new Set<string>();
  readonly #prefix: string;
  readonly #onStorage = (e: StorageEvent) => this.#hear(e);
  readonly #followers = new Set<() => void>();

  /** The page's store of this name; each follower ends by itself. */
  static open(storage: Storage, name: string): BrowserStore {
    const store = this.#open.get(name) ?? new BrowserStore(storage, name);
    this.#open.set(name, store);
    return store;
  }

  private constructor(
    private readonly storage: Storage,
    private readonly name: string,
  ) {
    this.#prefix = `cohortd:${name}:`;
    this.#scan();
    window.addEventListener('storage', this.#onStorage);
  }

  follow(heard: () => void): () => void {
    this.#followers.add(heard);
    return () => {
      if (this.#followers.delete(heard) && this.#followers.size === 0) this.#close();
    };
  }

  /** Stops listening to other pages. */
  #close(): void {
    window.removeEventListener('storage', this.#onStorage);
    BrowserStore.#open.delete(this.name);
  }

  get size(): number {
    return this.#ids.size;
  }

  add(event: QueuedEvent): boolean {
    try {
      const { id, ...kept } = event;
      this.storage.setItem(this.#prefix + id, JSON.stringify(kept));
    } catch {
      return false;
    }
    this.#ids.add(event.id);
    this.#tell();
    return true;
  }

  oldest(limit: number): QueuedEvent[] {
    const found: QueuedEvent[] = [];
    for (const id of [...this.#ids].sort()) {
      if (found.length >= limit) break;
      const event = this.flying.has(id) ? undefined : this.#read(id);
      if (event) found.push(event);
    }
    return found;
  }

  remove(ids: Iterable<string>): void {
    for (const id of ids) if (this.#ids.delete(id)) this.storage.removeItem(this.#prefix + id);
  }

  #read(id: string): QueuedEvent | undefined {
    const text = this.storage.getItem(this.#prefix + id);
    try {
      const { kind, body, skewMs } = JSON.parse(text ?? '') as Omit<QueuedEvent, 'id'>;
      if ((kind === 'outcomes' || kind === 'exposures') && isObject(body))
        return { id, kind, body, skewMs: typeof skewMs === 'number' ? skewMs : undefined };
    } catch {
      /* sent by another tab meanwhile, or not written by this client */
    }
    this.#ids.delete(id);
    return undefined;
  }

  #scan(): void {
    for (let i = 0; i < this.storage.length; i++) this.#note(this.storage.key(i), true);
  }

  #note(key: string | null, present: boolean): void {
    const id = key?.startsWith(this.#prefix) ? key.slice(this.#prefix.length) : '';
    if (!UUID.test(id)) return;
    if (present) this.#ids.add(id);
    else this.#ids.delete(id);
  }

  #hear(e: StorageEvent): void {
    if (e.storageArea !== this.storage) return;
    const before = this.#ids.size;
    if (e.key === null) this.#ids.clear();
    else this.#note(e.key, e.newValue !== null);
    if (this.#ids.size > before) this.#tell();
  }

  #tell(): void {
    for (const heard of this.#followers) heard();
  }
}

/** Whether it is the text of a JSON object; throws when it is no JSON. */
function isObject(body: unknown): body is string {
  if (typeof body !== 'string') return false;
  const value: unknown = JSON.parse(body);
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The page's localStorage; undefined where it is forbidden or does not exist. */
export function pageStorage(): Storage | undefined {
  try {
    const storage = globalThis.localStorage;
    storage.getItem('cohortd');
    return storage;
  } catch {
    return undefined;
  }
}
