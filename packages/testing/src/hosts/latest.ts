import { type HostStore, MissingObject, ObjectExists, StoreFailure } from "./host-store.ts";

/** A newer attempt has claimed the run: this one must not publish any more. */
export class Late extends Error {
  readonly claimedBy: number;

  constructor(claimedBy: number) {
    super(`attempt ${claimedBy} has taken over`);
    this.claimedBy = claimedBy;
  }
}

/** What a version of LATEST says; as the agent's ckpt/latest.py writes it. */
export interface LatestVersion {
  attempt: number | null;
  seq: number | null;
  manifest: string | null;
  claimedBy: number;
  base: { attempt: number; seq: number; manifest: string } | null;
  v?: number | undefined;
  n?: number | undefined;
  nonce?: string | undefined;
  at?: string | undefined;
}

/** The agent's LATEST: versions made create-only, the highest counts. A hint and a claim; manifests are the truth. */
export class Latest {
  readonly #store: HostStore;
  readonly #prefix: string;
  readonly #attempt: number;
  readonly #nonce: string;
  /** The newest version seen. Each is one more than the one before: instead of listing again, the next is asked for. */
  #seen: { number: number; record: LatestVersion | undefined } | undefined;

  constructor(store: HostStore, prefix: string, attempt: number, nonce: string) {
    this.#store = store;
    this.#prefix = `${prefix}LATEST.`;
    this.#attempt = attempt;
    this.#nonce = nonce;
  }

  async read(): Promise<{ number: number; record: LatestVersion | undefined }> {
    while (this.#seen !== undefined) {
      const number = this.#seen.number + 1;
      if ((await this.#store.size(this.#key(number))) === undefined) return this.#seen;
      this.#seen = { number, record: await this.#load(number) };
    }
    for (;;) {
      let number = 0;
      for (const { key } of await this.#store.list(this.#prefix)) {
        const digits = key.slice(this.#prefix.length);
        if (/^[0-9]{10}$/.test(digits)) number = Math.max(number, Number(digits));
      }
      if (number === 0) return { number: 0, record: undefined };
      try {
        this.#seen = { number, record: await this.#load(number) };
        return this.#seen;
      } catch (error) {
        // Pruned between list and get: a newer one is there.
        if (!(error instanceof MissingObject)) throw error;
      }
    }
  }

  /** A record that cannot be parsed still counts as a version. */
  async #load(number: number): Promise<LatestVersion | undefined> {
    const bytes = await this.#store.get(this.#key(number));
    try {
      const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
      return typeof value === "object" && value !== null ? (value as LatestVersion) : undefined;
    } catch {
      return undefined;
    }
  }

  /** @throws Late when a newer attempt has claimed. */
  async check(): Promise<{ number: number; record: LatestVersion | undefined }> {
    const found = await this.read();
    const claimed = intOf(found.record?.claimedBy);
    if (claimed > this.#attempt) throw new Late(claimed);
    return found;
  }

  /** This attempt takes the run over. */
  async claim(base: LatestVersion["base"], at: string): Promise<void> {
    await this.#swap((now) => ({ ...kept(now), claimedBy: this.#attempt, base }), at);
  }

  /** Points LATEST at this attempt's save, unless it points at a later one of ours already. */
  async move(seq: number, manifest: string, at: string): Promise<void> {
    await this.#swap((now) => {
      if (intOf(now?.attempt) === this.#attempt && intOf(now?.seq) >= seq) return undefined;
      return {
        ...kept(now),
        attempt: this.#attempt,
        seq,
        manifest,
        claimedBy: Math.max(this.#attempt, intOf(now?.claimedBy)),
      };
    }, at);
  }

  async #swap(change: (now: LatestVersion | undefined) => LatestVersion | undefined, at: string): Promise<void> {
    let failure: unknown;
    for (let round = 0; round < 100; round++) {
      const { number, record: now } = await this.check();
      // The write that seemed to fail had arrived.
      if (now !== undefined && now.nonce === this.#nonce && failure !== undefined && isSame(change(now), now)) return;
      const wanted = change(now);
      if (wanted === undefined) return;
      const version: LatestVersion = { ...wanted, v: 1, n: number + 1, nonce: this.#nonce, at };
      try {
        await this.#store.put(this.#key(number + 1), JSON.stringify(version), true);
        this.#seen = { number: number + 1, record: version };
        return;
      } catch (error) {
        if (!(error instanceof ObjectExists)) {
          // The outcome is unknown: look again, once.
          if (!(error instanceof StoreFailure) || (failure !== undefined && !(failure instanceof ObjectExists))) throw error;
        }
        failure = error;
      }
    }
    throw new StoreFailure("LATEST kept changing under our hands");
  }

  #key(number: number): string {
    return this.#prefix + String(number).padStart(10, "0");
  }
}

function kept(now: LatestVersion | undefined): LatestVersion {
  return {
    attempt: now?.attempt ?? null,
    seq: now?.seq ?? null,
    manifest: now?.manifest ?? null,
    claimedBy: now?.claimedBy ?? 0,
    base: now?.base ?? null,
  };
}

function isSame(wanted: LatestVersion | undefined, now: LatestVersion): boolean {
  if (wanted === undefined) return true;
  return (["attempt", "seq", "manifest", "claimedBy", "base"] as const).every(
    (name) => JSON.stringify(wanted[name]) === JSON.stringify(now[name]),
  );
}

function intOf(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : 0;
}
