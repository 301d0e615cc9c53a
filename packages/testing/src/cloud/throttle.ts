/** A token bucket: `burst` calls at once, `perSecond` more each second. */
export interface BucketOptions {
  burst: number;
  perSecond: number;
}

/** Token buckets by key, filled lazily from the time that passed. */
export class Throttle<Key extends string> {
  readonly #buckets: Partial<Record<Key, BucketOptions>>;
  readonly #levels = new Map<string, { level: number; at: number }>();

  constructor(buckets: Partial<Record<Key, BucketOptions>>) {
    this.#buckets = buckets;
  }

  /** Takes one token of `key` for `who`; false when there is none. */
  take(key: Key, who: string, now: number): boolean {
    const bucket = this.#buckets[key];
    if (bucket === undefined) return true;
    const name = `${key} ${who}`;
    const known = this.#levels.get(name) ?? { level: bucket.burst, at: now };
    const level = Math.min(bucket.burst, known.level + ((now - known.at) / 1000) * bucket.perSecond);
    this.#levels.set(name, { level: level >= 1 ? level - 1 : level, at: now });
    return level >= 1;
  }
}
