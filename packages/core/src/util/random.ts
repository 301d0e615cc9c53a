import { randomBytes } from "node:crypto";

/** The only source of randomness: seeded in tests and replay. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** `length` random bytes. */
  bytes(length: number): Uint8Array;
}

/** The operating system's generator. */
export const systemRandom: Random = {
  next: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  bytes: (length) => randomBytes(length),
};

// No vowels and no look-alikes: ids never spell words and can be read aloud.
const ALPHABET = "23456789bcdfghjkmnpqrstvwxyz";

/** A lower-case random id, safe in file names, tags and DNS labels. 16 characters carry 76 bits. */
export function randomId(random: Random, length = 16): string {
  let id = "";
  while (id.length < length) {
    // Rejection keeps the letters equally likely: 252 = 9 × 28.
    for (const byte of random.bytes(length)) {
      if (byte < 252 && id.length < length) id += ALPHABET[byte % ALPHABET.length];
    }
  }
  return id;
}
