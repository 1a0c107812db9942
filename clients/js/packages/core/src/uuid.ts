/** Fills an array with random bytes, like `crypto.getRandomValues`. */
export type Random = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array;

/** A clock that went back by less than this is a correction: ids stay in the order they were made. */
const SMALL_STEP_MS = 10_000;

const COUNTER_MAX = 0xfff;

/**
 * Makes UUIDs of version 7 (RFC 9562) that sort in the order they were made: 48 bits of Unix milliseconds, a counter of 12
 * bits within the millisecond, 62 random bits.
 */
export class UuidMaker {
  #last = 0;
  #counter = 0;

  constructor(private readonly random: Random) {}

  /** `now`: Unix time in milliseconds. */
  make(now: number): string {
    this.#advance(Math.trunc(now));
    const bytes = this.random(new Uint8Array(16));
    let ms = this.#last;
    for (let i = 5; i >= 0; i--, ms = Math.floor(ms / 256)) bytes[i] = ms % 256;
    bytes[6] = 0x70 | (this.#counter >> 8);
    bytes[7] = this.#counter & 0xff;
    bytes[8] = 0x80 | (bytes[8]! & 0x3f);
    return format(bytes);
  }

  #advance(now: number): void {
    if (now > this.#last || now < this.#last - SMALL_STEP_MS) {
      this.#last = now;
      this.#counter = 0;
    } else if (this.#counter < COUNTER_MAX) {
      this.#counter++;
    } else {
      this.#last++;
      this.#counter = 0;
    }
  }
}

function format(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
