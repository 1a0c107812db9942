/** The two lists of events a server takes, as they are named in its paths. */
export type EventKind = 'outcomes' | 'exposures';

/** One event, made once: its text is what every attempt sends. */
export interface QueuedEvent {
  readonly id: string;
  readonly kind: EventKind;
  /** The event as JSON, `id` and `ts` included. */
  readonly body: string;
  /** By how much the clock was corrected when it was made; undefined once its time was mended. */
  readonly skewMs?: number | undefined;
}

/** Where events wait until a server has them on disk. Ids sort in the order the events were made. */
export interface EventStore {
  /** True when what was added survives a restart of the program or page. */
  readonly durable: boolean;
  readonly size: number;
  /** Ids of events that are on their way to the server at this moment, whichever queue on this store sends them. */
  readonly flying: Set<string>;
  /** False when there was no room for it (a browser's quota); nothing was kept then. */
  add(event: QueuedEvent): boolean;
  /** The oldest events, at most `limit`, without those that fly. */
  oldest(limit: number): QueuedEvent[];
  remove(ids: Iterable<string>): void;
  /** Calls `heard` when there is an event that another queue, or another page, added. Returns what ends that. */
  follow(heard: () => void): () => void;
}

/** Events in memory, gone with the program. */
export class MemoryStore implements EventStore {
  readonly durable = false;
  readonly flying = new Set<string>();
  readonly #events = new Map<string, QueuedEvent>();

  get size(): number {
    return this.#events.size;
  }

  add(event: QueuedEvent): boolean {
    this.#events.set(event.id, event);
    return true;
  }

  oldest(limit: number): QueuedEvent[] {
    const found: QueuedEvent[] = [];
    for (const event of this.#events.values()) {
      if (found.length >= limit) break;
      if (!this.flying.has(event.id)) found.push(event);
    }
    return found;
  }

  remove(ids: Iterable<string>): void {
    for (const id of ids) this.#events.delete(id);
  }

  /** One queue's alone. */
  follow(): () => void {
    return () => undefined;
  }
}
