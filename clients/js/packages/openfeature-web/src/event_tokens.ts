import { unitsOf, type Context, type QueuedEvent } from '@cohortd/client-core';

/**
 * The signed notes with which a page may report for the units it asked about. Events get theirs when they are made; those made before
 * the server answered get it when they are sent.
 */
export class EventTokens {
  readonly #byUnits = new Map<string, string>();

  constructor(private readonly unitTypes: readonly string[]) {}

  /** `token` came with the answer for this context. */
  learn(context: Context, token: unknown): void {
    if (typeof token === 'string') this.#byUnits.set(this.#key(unitsOf(context, this.unitTypes)), token);
  }

  of(units: unknown): string | undefined {
    return this.#byUnits.get(this.#key(units));
  }

  /** The event's text, with its token if it has none yet and there is one. */
  readonly finish = (event: QueuedEvent): string => {
    const fields = JSON.parse(event.body) as Record<string, unknown>;
    if (fields['event_token'] !== undefined) return event.body;
    const token = this.of(fields['units']);
    return token === undefined ? event.body : JSON.stringify({ ...fields, event_token: token });
  };

  #key(units: unknown): string {
    return JSON.stringify(units);
  }
}
