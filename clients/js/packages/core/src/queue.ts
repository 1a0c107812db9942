import { backoff, PACE, type Pace } from './backoff.js';
import type { ServerClock } from './clock.js';
import type { EventFields } from './events.js';
import type { Say } from './say.js';
import { bytesOf, type Refusal, type Sender, type Verdict } from './sender.js';
import { MemoryStore, type EventKind, type EventStore, type QueuedEvent } from './store.js';
import type { UuidMaker } from './uuid.js';

/** What became of the events of this client, since it was made. */
export interface EventStats {
  /** Waiting here; in a browser those of other tabs and earlier visits too. */
  readonly queued: number;
  /** On a server's disk. */
  readonly accepted: number;
  /** Refused by the server for good, or never fit to be sent. */
  readonly rejected: number;
  /** The oldest ones, given up because the queue was full. */
  readonly dropped: number;
  /** Attempts that failed and were or will be made again. */
  readonly retries: number;
}

export interface QueueOptions {
  readonly store: EventStore;
  readonly sender: Pick<Sender, 'send'>;
  readonly clock: ServerClock;
  readonly uuids: UuidMaker;
  readonly say: Say;
  /** Numbers in [0, 1), for jitter. */
  readonly chance: () => number;
  /** The most events that wait; then the oldest are dropped. */
  readonly maxQueued: number;
  /** The most events and bytes a request has. */
  readonly maxBatch: number;
  readonly maxBytes: number;
  /** Between attempts that fail; a second to a minute unless told. */
  readonly pace?: Pace;
  /** How long the first event of a batch waits for others. */
  readonly intervalMs: number;
  /** Requests may outlive their page (browsers). */
  readonly keepalive: boolean;
  /**
   * Runs `work` unless somebody else is sending from the same store; false when somebody is. Two senders at once would do no harm,
   * only send twice what counts once.
   */
  readonly exclusively?: (work: () => Promise<void>) => Promise<boolean>;
  /** False while events can't be sent yet; then they wait. */
  readonly ready?: () => boolean;
  /** Timers that don't keep a program alive have `unref`. */
  readonly setTimer?: (run: () => void, ms: number) => unknown;
}

const LEAST_PAUSE_MS = 20;

type Timer = ReturnType<typeof setTimeout>;

/**
 * Events on their way to a server. Each gets its id and time once, when it is added, and is sent until a server has it on disk or
 * refuses it; a repeat counts once.
 */
export class EventQueue {
  readonly #overflow = new MemoryStore();
  #timer: unknown;
  #pumping: Promise<void> | undefined;
  #attempt = 0;
  #resumeAt = 0;
  #askedToWaitUntil = 0;
  /** Events that were made here. */
  readonly #made = new Set<string>();
  /** Events that waited when this queue came: of an earlier visit, or of another page that is open. */
  readonly #found: ReadonlySet<string>;
  readonly #unfollow: () => void;
  #closed = false;
  #accepted = 0;
  #rejected = 0;
  #dropped = 0;
  #retries = 0;

  constructor(private readonly options: QueueOptions) {
    this.#found = new Set(options.store.oldest(Infinity).map((e) => e.id));
    if (options.store.size > 0) this.#schedule(options.intervalMs);
    this.#unfollow = options.store.follow(() => this.#schedule(options.intervalMs));
  }

  get stats(): EventStats {
    return {
      queued: this.#queued,
      accepted: this.#accepted,
      rejected: this.#rejected,
      dropped: this.#dropped,
      retries: this.#retries,
    };
  }

  get #queued(): number {
    return this.options.store.size + this.#overflow.size;
  }

  /** Keeps the event and returns its id; undefined when it can't be one, which is counted as rejected. */
  add(kind: EventKind, fields: EventFields): string | undefined {
    if ('value' in fields && !Number.isFinite(fields['value'])) {
      this.refuse('value', `the value of "${String(fields['name'])}" is no finite number; the event is not sent.`);
      return undefined;
    }
    if (this.#closed) {
      this.refuse('closed', 'an event came after the provider was closed; it is not sent.');
      return undefined;
    }
    const now = this.options.clock.now();
    const id = this.options.uuids.make(now);
    const body = JSON.stringify({ id, ts: new Date(now).toISOString(), ...fields });
    this.#makeRoom();
    this.#keep({ id, kind, body, skewMs: this.options.clock.skewMs });
    this.#made.add(id);
    if (this.#queued >= this.options.maxBatch && this.#attempt === 0) void this.#pump();
    else this.#schedule(this.options.intervalMs);
    return id;
  }

  /** Counts an event that can't be one, and says why, once a topic. */
  refuse(topic: string, why: string): void {
    this.#rejected++;
    this.options.say.once(`refused ${topic}`, why);
  }

  /** Sends what waits, trying again as it should be, for at most `ms`. Returns how many events still wait. */
  async flush(ms: number): Promise<number> {
    const end = Date.now() + ms;
    for (;;) {
      if (this.#resumeAt <= Date.now()) await within(end - Date.now(), this.#pump());
      const left = end - Date.now();
      if (this.#queued === 0 || left <= 0) return this.#queued;
      const pause = Math.max(this.#resumeAt, this.#askedToWaitUntil) - Date.now();
      await within(Math.min(left, Math.max(pause, LEAST_PAUSE_MS)));
    }
  }

  /** The same, and stops for good: what is left is lost with this program unless the store is durable. */
  async close(ms: number): Promise<number> {
    this.#closed = true;
    const left = await this.flush(ms);
    this.#stopTimer();
    this.#unfollow();
    return left;
  }

  /** The network is back: tries at once. */
  wake(): void {
    this.#resumeAt = 0;
    void this.#pump();
  }

  /**
   * The page may be about to go: sends what fits into a request that outlives it, of the events that were made here and then of those
   * it found when it came, which visits that are all short would otherwise never send. What other pages made since they send
   * themselves. What is not answered stays in the store.
   */
  sendNow(maxBytes: number): void {
    if (!this.#mayGo()) return;
    let room = maxBytes;
    for (const kind of ['exposures', 'outcomes'] as const) {
      const all = this.#take(kind, Infinity);
      const ours = [...all.filter((e) => this.#made.has(e.id)), ...all.filter((e) => this.#found.has(e.id))];
      const events = this.#fitting(ours.slice(0, this.options.maxBatch), room);
      if (events.length === 0) continue;
      room -= bytesOf(events);
      void this.#attemptBatch(kind, events);
    }
  }

  #keep(event: QueuedEvent): void {
    if (this.options.store.add(event)) return;
    this.#overflow.add(event);
    this.options.say.once('not durable', 'events can\'t be kept in this browser\'s storage; those that are not sent are lost with the page.');
  }

  #makeRoom(): void {
    let over = this.#queued - this.options.maxQueued + 1;
    for (const store of [this.options.store, this.#overflow]) {
      if (over <= 0) return;
      const oldest = store.oldest(over).map((e) => e.id);
      this.#remove(oldest);
      over -= oldest.length;
      this.#dropped += oldest.length;
      if (oldest.length > 0)
        this.options.say.once('full', `the event queue is full (${this.options.maxQueued}); its oldest events are dropped and counted.`);
    }
  }

  #schedule(ms: number): void {
    if (this.#timer !== undefined || this.#closed) return;
    const wait = Math.max(ms, this.#resumeAt - Date.now(), this.#askedToWaitUntil - Date.now());
    const set = this.options.setTimer ?? ((run: () => void, delay: number) => setTimeout(run, delay));
    this.#timer = set(() => {
      this.#timer = undefined;
      void this.#pump();
    }, wait);
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer as Timer);
    this.#timer = undefined;
  }

  #mayGo(): boolean {
    return this.#askedToWaitUntil <= Date.now() && (this.options.ready?.() ?? true);
  }

  #pump(): Promise<void> {
    this.#pumping ??= this.#run().finally(() => {
      this.#pumping = undefined;
      if (this.#queued > 0) this.#schedule(this.options.intervalMs);
      else this.#made.clear(); /* other pages may have sent some of them */
    });
    return this.#pumping;
  }

  async #run(): Promise<void> {
    if (!this.#mayGo()) return;
    this.#stopTimer();
    const alone = this.options.exclusively ?? (async (work) => (await work(), true));
    await alone(() => this.#sendAll());
  }

  async #sendAll(): Promise<void> {
    for (const kind of ['exposures', 'outcomes'] as const) {
      for (;;) {
        const events = this.#fitting(this.#take(kind, this.options.maxBatch), this.options.maxBytes);
        if (events.length === 0) break;
        if (!(await this.#attemptBatch(kind, events))) return;
      }
    }
  }

  #take(kind: EventKind, limit: number): QueuedEvent[] {
    const all = [this.options.store, this.#overflow].flatMap((s) => s.oldest(Infinity));
    return all.filter((e) => e.kind === kind).slice(0, limit);
  }

  /** The first events that together have at most `bytes`; one at least, if it is the only one to be sent. */
  #fitting(events: QueuedEvent[], bytes: number): QueuedEvent[] {
    let n = 0;
    let sum = 16;
    while (n < events.length && (sum += bytesOf([events[n]!]) - 16) <= bytes) n++;
    return events.slice(0, n === 0 && bytes >= this.options.maxBytes ? 1 : n);
  }

  /** True when it may go on with the next. */
  async #attemptBatch(kind: EventKind, events: QueuedEvent[]): Promise<boolean> {
    const stores = [this.options.store, this.#overflow];
    for (const s of stores) for (const e of events) s.flying.add(e.id);
    const keepalive = this.options.keepalive && bytesOf(events) <= this.options.maxBytes;
    const verdict = await this.options.sender.send(kind, events, keepalive);
    for (const s of stores) for (const e of events) s.flying.delete(e.id);
    switch (verdict.kind) {
      case 'answered':
        this.#answered(events, verdict.refused);
        return true;
      case 'unfit':
        return this.#halve(kind, events, verdict.why);
      case 'wait':
        this.#wait(verdict);
        return false;
    }
  }

  /** Each half for itself, until what can't be taken is alone. */
  async #halve(kind: EventKind, events: QueuedEvent[], why: string): Promise<boolean> {
    if (events.length === 1) {
      this.#remove([events[0]!.id]);
      this.refuse('unfit', `an event was refused and given up: ${why}`);
      return true;
    }
    const middle = Math.ceil(events.length / 2);
    return (await this.#attemptBatch(kind, events.slice(0, middle))) && (await this.#attemptBatch(kind, events.slice(middle)));
  }

  #answered(events: readonly QueuedEvent[], refused: ReadonlyMap<string, Refusal>): void {
    const mended = events.filter((e) => this.#mend(e, refused.get(e.id)?.code)).map((e) => e.id);
    this.#remove(events.map((e) => e.id).filter((id) => !mended.includes(id)));
    this.#accepted += events.length - refused.size;
    for (const [id, { code, reason }] of refused)
      if (!mended.includes(id)) this.refuse(code, `the server refused an event (${code}): ${reason}`);
    this.#attempt = 0;
    this.#resumeAt = 0;
    this.options.say.over('trouble', 'events are taken again.');
  }

  /**
   * An event that was refused for its time, while the clock turned out to be wrong: stamped anew, once, by the server's clock. One that
   * was made elsewhere and is too old may just be old.
   */
  #mend({ id, kind, body, skewMs }: QueuedEvent, code: string | undefined): boolean {
    const by = this.options.clock.skewMs - (skewMs ?? 0);
    const forItsTime = code === 'from_the_future' || (code === 'too_old' && this.#made.has(id));
    if (!forItsTime || skewMs === undefined || by === 0) return false;
    const fields = JSON.parse(body) as { ts: string };
    const ts = new Date(Date.parse(fields.ts) + by).toISOString();
    this.options.say.once('clock', `this machine's clock is ${Math.round(by / 1000)} s off; events get the server's time.`);
    this.#keep({ id, kind, body: JSON.stringify({ ...fields, ts }) });
    return true;
  }

  #remove(ids: readonly string[]): void {
    this.options.store.remove(ids);
    this.#overflow.remove(ids);
    for (const id of ids) this.#made.delete(id);
  }

  #wait(verdict: Extract<Verdict, { kind: 'wait' }>): void {
    this.#attempt++;
    this.#retries++;
    const ms = backoff(this.options.pace ?? PACE, this.#attempt, this.options.chance(), verdict.retryAfterMs);
    this.#resumeAt = Date.now() + ms;
    if (verdict.retryAfterMs !== undefined) this.#askedToWaitUntil = this.#resumeAt;
    this.#stopTimer(); /* an event that was added meanwhile must not cut the wait short */
    this.#schedule(ms);
    this.options.say.once('trouble', `events can't be sent now and are kept: ${verdict.why}`);
  }
}

/** Resolves when the work is done, after `ms` at the latest; without work, then. */
function within(ms: number, work?: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.max(0, ms));
    void work?.finally(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
