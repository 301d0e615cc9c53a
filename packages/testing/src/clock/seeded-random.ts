import { createHash } from "node:crypto";
import type { Random } from "@runctl/core/provider";

/**
 * Randomness from a seed, the same on every platform and in every version of Node: sfc32 (public domain, PractRand), seeded by
 * SHA-256 of the seed's text. Cheap enough for millions of draws; of no use for secrets.
 */
export class SeededRandom implements Random {
  /** What it was seeded with: print it with every failure. */
  readonly seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter: number;

  constructor(seed: number | string) {
    this.seed = String(seed);
    const digest = createHash("sha256").update(this.seed).digest();
    this.#a = digest.readInt32LE(0);
    this.#b = digest.readInt32LE(4);
    this.#c = digest.readInt32LE(8);
    this.#counter = digest.readInt32LE(12);
  }

  /** A generator of its own for one consumer. Depends on the seed and the label only, never on what was drawn before: one label, one sequence. */
  fork(label: string): SeededRandom {
    return new SeededRandom(`${this.seed}/${label}`);
  }

  /** A number in [0, 1) with 53 random bits. */
  next(): number {
    const high = this.#uint32() >>> 5;
    const low = this.#uint32() >>> 6;
    return (high * 67_108_864 + low) / 9_007_199_254_740_992;
  }

  /** `length` random bytes. */
  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += 4) {
      let word = this.#uint32();
      for (let byte = at; byte < Math.min(at + 4, length); byte += 1) {
        bytes[byte] = word & 0xff;
        word >>>= 8;
      }
    }
    return bytes;
  }

  /** A whole number from `min` to `max`, both included. @throws RangeError when there is none between. */
  integer(min: number, max: number): number {
    const low = Math.ceil(min);
    const count = Math.floor(max) - low + 1;
    if (!(count >= 1)) throw new RangeError(`There is no whole number from ${min} to ${max}.`);
    return low + Math.floor(this.next() * count);
  }

  /** True with this probability: 0 never, 1 always. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of the items, each equally likely. @throws RangeError for an empty list. */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError("There is nothing to pick from.");
    return items[Math.floor(this.next() * items.length)] as T;
  }

  /** The items in a random order; the list itself stays as it is. */
  shuffle<T>(items: readonly T[]): T[] {
    const shuffled = [...items];
    for (let at = shuffled.length - 1; at > 0; at -= 1) {
      const other = Math.floor(this.next() * (at + 1));
      [shuffled[at], shuffled[other]] = [shuffled[other] as T, shuffled[at] as T];
    }
    return shuffled;
  }

  #uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    this.#c |= 0;
    return sum >>> 0;
  }
}
