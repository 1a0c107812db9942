/** Where the client says what a person should know; `console` and OpenFeature's loggers are one. */
export interface Logger {
  warn(...args: unknown[]): void;
  info(...args: unknown[]): void;
}

/** Says each thing once, however often it happens; counters tell how often (see {@link EventStats}). */
export class Say {
  readonly #said = new Set<string>();

  constructor(private readonly logger: Logger) {}

  /** `topic` names the thing; `text` is said the first time. */
  once(topic: string, text: string): void {
    if (this.#said.has(topic)) return;
    this.#said.add(topic);
    this.logger.warn(`cohortd: ${text}`);
  }

  /** The trouble is over: says so if it had been said, and will say it again when it comes back. */
  over(topic: string, text: string): void {
    if (this.#said.delete(topic)) this.logger.info(`cohortd: ${text}`);
  }
}
