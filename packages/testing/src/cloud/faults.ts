/** The operations of the cloud's API that can be made to fail. "host" is every call to a machine's session after `connect`. */
export type CloudOp =
  | "offers"
  | "create"
  | "find"
  | "terminate"
  | "remove"
  | "stop"
  | "start"
  | "connect"
  | "host"
  | "notices"
  | "usage"
  | "costs"
  | "identity"
  | "tag"
  | "doctor"
  | "volume-create"
  | "volume-list"
  | "volume-attach"
  | "volume-detach"
  | "volume-delete"
  | "volume-snapshot";

/**
 * What can go wrong with one call.
 * Before the effect, nothing is applied: "lost" (no answer), "auth", "expired", "permission", "quota", "throttle", "unavailable"
 * (create: no capacity), "down" (503), "raw" (an error that is no RunctlError), "hang" (no answer, ever).
 * After it, all is applied: "reply-lost", "error-after-effect" (500), "raw-after-effect", "hang-applied", "late" (the answer comes
 * `ms` later), "twice" (delivered two times), "partial-tags" (create, tag: only some tags were set).
 * Else: "applied-late" (no answer; the effect comes `ms` later), "lie" (says yes, does nothing; not for
 * create, find and host), "incomplete" (find: a part is
 * missing and the answer says so).
 */
export type FaultKind =
  | "lost"
  | "auth"
  | "expired"
  | "permission"
  | "quota"
  | "throttle"
  | "unavailable"
  | "down"
  | "raw"
  | "hang"
  | "reply-lost"
  | "error-after-effect"
  | "raw-after-effect"
  | "hang-applied"
  | "late"
  | "twice"
  | "partial-tags"
  | "applied-late"
  | "lie"
  | "incomplete";

/** A fault with its figures. */
export interface FaultDetail {
  kind: FaultKind;
  /** Milliseconds. "late", "applied-late": default 30 000. "twice": how much later the second delivery comes, default at once. */
  ms?: number | undefined;
  /** "throttle": what the cloud asks us to wait. Default: it does not say. */
  retryAfterMs?: number | undefined;
  /** "partial-tags": the keys that were set. Default: every second one in order of the key. */
  keepTags?: readonly string[] | undefined;
}

export type Fault = FaultKind | FaultDetail;

/** One call as a rule sees it. */
export interface CallFacts {
  op: CloudOp;
  client: string;
  account: string;
  region?: string | undefined;
  /** Number of the call of this operation, from 1. */
  nth: number;
  /** Milliseconds of the cloud's clock. */
  at: number;
}

/** Decides about calls that no script claimed; undefined lets the call pass. */
export type FaultRule = (call: CallFacts) => Fault | undefined;

/** Which calls go wrong, and how: by count, for ever, in a stretch of time or by rule, in this order. */
export class FaultScript {
  readonly #next = new Map<CloudOp, Array<Fault | undefined>>();
  readonly #always = new Map<CloudOp, Fault>();
  readonly #rules = new Set<FaultRule>();

  /** The next calls of `op` meet these, one each; undefined lets one pass. Adds to what is queued. */
  next(op: CloudOp, ...faults: Array<Fault | undefined>): void {
    this.#next.set(op, [...(this.#next.get(op) ?? []), ...faults]);
  }

  /** Every call of `op` from now on; undefined ends it. */
  always(op: CloudOp, fault: Fault | undefined): void {
    if (fault === undefined) this.#always.delete(op);
    else this.#always.set(op, fault);
  }

  /** Asked for every call; the function returned takes the rule away. */
  rule(rule: FaultRule): () => void {
    this.#rules.add(rule);
    return () => void this.#rules.delete(rule);
  }

  /** Calls of `ops` that arrive in [from, to) of the cloud's clock. */
  between(from: number, to: number, ops: readonly CloudOp[], fault: Fault): () => void {
    return this.rule((call) => (call.at >= from && call.at < to && ops.includes(call.op) ? fault : undefined));
  }

  /** No more faults. */
  clear(): void {
    this.#next.clear();
    this.#always.clear();
    this.#rules.clear();
  }

  /** Whether the next call of `op` would lack a permission. Takes nothing from the script; rules are not asked. */
  denies(op: CloudOp): boolean {
    return detail(this.#next.get(op)?.[0] ?? this.#always.get(op))?.kind === "permission";
  }

  /** The fault of this call, taken from the script. */
  take(call: CallFacts): FaultDetail | undefined {
    const queue = this.#next.get(call.op);
    if (queue !== undefined && queue.length > 0) return detail(queue.shift());
    const fault = this.#always.get(call.op);
    if (fault !== undefined) return detail(fault);
    for (const rule of this.#rules) {
      const found = rule(call);
      if (found !== undefined) return detail(found);
    }
    return undefined;
  }
}

function detail(fault: Fault | undefined): FaultDetail | undefined {
  return typeof fault === "string" ? { kind: fault } : fault;
}
