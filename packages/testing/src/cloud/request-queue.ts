import type { ForeignOrOtherResource, Timer } from "@runctl/core/provider";
import type { CloudTime } from "./cloud-time.ts";
import { iso } from "./cloud-time.ts";
import { type Pool, room } from "./pool.ts";

/** A purchase that waits for room. */
export interface QueuedRequest {
  readonly id: string;
  readonly account: string;
  readonly pool: Pool;
  readonly nodes: number;
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly createdAt: number;
  /** After this it is given up. */
  readonly until: number;
  /** Buys; false: it could not be after all (a quota), and is given up. */
  serve(): boolean;
}

/** Requests that wait for room in their pool, served in their order. A pool costs one timer while somebody waits for it and its schedule changes. */
export class RequestQueue {
  readonly #time: CloudTime;
  readonly #waiting = new Map<string, QueuedRequest>();
  readonly #timers = new Map<Pool, Timer>();
  #count = 0;

  constructor(time: CloudTime) {
    this.#time = time;
  }

  /** Requests that wait, oldest first; those whose time is over are gone. */
  get waiting(): readonly QueuedRequest[] {
    if (this.#waiting.size === 0) return [];
    const now = this.#time.now();
    for (const request of this.#waiting.values()) if (request.until <= now) this.#waiting.delete(request.id);
    return [...this.#waiting.values()];
  }

  add(request: Omit<QueuedRequest, "id" | "createdAt">): QueuedRequest {
    this.#count += 1;
    const queued = { ...request, id: `req-${this.#count.toString(16).padStart(8, "0")}`, createdAt: this.#time.now() };
    this.#waiting.set(queued.id, queued);
    this.#watch(request.pool);
    return queued;
  }

  /** Gone is success. */
  remove(account: string, id: string): void {
    if (this.#waiting.get(id)?.account === account) this.#waiting.delete(id);
  }

  has(id: string): boolean {
    return this.waiting.some((request) => request.id === id);
  }

  /** Room may have come free in the pool. The first that does not fit holds up those behind it. */
  serve(pool: Pool): void {
    for (const request of this.waiting) {
      if (request.pool !== pool) continue;
      if (room(pool, this.#time.now()) < request.nodes) break;
      this.#waiting.delete(request.id);
      request.serve();
    }
  }

  #watch(pool: Pool): void {
    if (this.#timers.has(pool) || !this.waiting.some((request) => request.pool === pool)) return;
    const change = pool.capacity.nextChange(this.#time.now());
    if (change === undefined) return;
    this.#timers.set(
      pool,
      this.#time.at(change, () => {
        this.#timers.delete(pool);
        this.serve(pool);
        this.#watch(pool);
      }),
    );
  }
}

/** The request as its account's listing shows it. */
export function showRequest(request: QueuedRequest, provider: string): ForeignOrOtherResource {
  const { id, account, pool, name, tags, createdAt } = request;
  return { ref: { provider, account, region: pool.region, kind: "request", id }, name, tags: { ...tags }, createdAt: iso(createdAt) };
}
