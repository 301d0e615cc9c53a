import {
  type CreateOutcome,
  canonicalJson,
  type Intent,
  type Random,
  randomId,
  sha256Hex,
  TAGS,
  type UnavailablePool,
} from "@runctl/core/provider";
import type { CloudErrors } from "./cloud-errors.ts";
import type { CloudMachine } from "./cloud-machine.ts";
import type { ProviderClass, Tagging } from "./cloud-options.ts";
import { type CloudTime, iso } from "./cloud-time.ts";
import type { FaultDetail } from "./faults.ts";
import type { Fleet } from "./fleet.ts";
import { checkIntent, type IntentLimits } from "./intent-checks.ts";
import type { MachinePlan } from "./machine-plan.ts";
import { nameWithTags } from "./names.ts";
import { type Pool, room } from "./pool.ts";
import type { Quota } from "./quota.ts";
import type { QueuedRequest, RequestQueue } from "./request-queue.ts";
import type { Tokens } from "./tokens.ts";

/** Who buys. */
export interface Buyer {
  account: string;
  client: string;
}

/** What the desk needs from its cloud. */
export interface DeskParts {
  class: ProviderClass;
  tagging: Tagging;
  tokenScope: "account" | "zone";
  limits: IntentLimits;
  time: CloudTime;
  random: Random;
  errors: CloudErrors;
  fleet: Fleet;
  quota: Quota;
  tokens: Tokens;
  /** Where requests wait when there is no room; absent: they are refused. */
  queue: RequestQueue | undefined;
  /** What shall happen to the next machine. */
  plan(): MachinePlan | undefined;
  /** Whether the request's volumes can be attached there. @throws ValidationError, ConflictError, NotFoundError */
  checkVolumes(intent: Intent, account: string, pool: Pool): void;
}

/** What one request bought: machines, a place in the queue, or the pools that had none. */
export type Sale = { machines: [CloudMachine, ...CloudMachine[]] } | { queued: QueuedRequest } | { refused: UnavailablePool[] };

/** Sells machines: checks the request as a real cloud would, knows its tokens, and takes from the first pool that has room. */
export class PurchaseDesk {
  readonly #parts: DeskParts;
  readonly #queued = new Map<string, QueuedRequest>();

  constructor(parts: DeskParts) {
    this.#parts = parts;
  }

  /**
   * One request for `nodes` machines (all or none); `part`: the how-manieth of several requests for one intent.
   * @throws ValidationError, ConflictError, QuotaError, UnsupportedCapabilityError
   */
  sell(intent: Intent, buyer: Buyer, nodes: number, how: { fault?: FaultDetail | undefined; part?: number | undefined } = {}): Sale {
    const { fault } = how;
    const { errors, limits, quota, tokens, time } = this.#parts;
    const pools = checkIntent(intent, limits, errors);
    const token = this.#parts.class === "A" ? this.#token(intent, buyer.account, how.part) : undefined;
    const request = token === undefined ? "" : sha256Hex(canonicalJson(intent));
    const known = token === undefined ? undefined : tokens.known(token, request);
    if (known !== undefined) return { machines: known as [CloudMachine, ...CloudMachine[]] };
    if (fault?.kind === "unavailable") return { refused: pools.map((pool) => refusal(pool)) };
    const refused: UnavailablePool[] = [];
    const make = (pool: Pool): [CloudMachine, ...CloudMachine[]] => {
      quota.check(buyer.account, pool.region, pool.market, { machines: nodes, cpus: pool.type.cpus * nodes });
      this.#parts.checkVolumes(intent, buyer.account, pool);
      const machines = Array.from({ length: nodes }, () => this.#make(intent, buyer, pool, fault)) as [CloudMachine, ...CloudMachine[]];
      if (token !== undefined) tokens.remember(token, request, machines);
      return machines;
    };
    for (const pool of pools) {
      if (room(pool, time.now()) >= nodes) return { machines: make(pool) };
      refused.push(refusal(pool));
    }
    const queued = this.#enqueue(intent, buyer, nodes, pools[0], make, token);
    return queued === undefined ? { refused } : { queued };
  }

  /** A place in the queue; the one it has already, for a token. */
  #enqueue(
    intent: Intent,
    buyer: Buyer,
    nodes: number,
    pool: Pool | undefined,
    make: (pool: Pool) => unknown,
    token: string | undefined,
  ): QueuedRequest | undefined {
    const { queue } = this.#parts;
    if (queue === undefined || pool === undefined) return undefined;
    const known = token === undefined ? undefined : this.#queued.get(token);
    if (known !== undefined && queue.has(known.id)) return known;
    const queued = queue.add({
      account: buyer.account,
      pool,
      nodes,
      name: intent.name,
      tags: intent.tags,
      until: Date.parse(intent.endBy),
      serve: () => {
        if (token !== undefined) this.#queued.delete(token);
        try {
          make(pool);
          return true;
        } catch {
          // A quota that was reached meanwhile: a real queue gives such a request up, too.
          return false;
        }
      },
    });
    if (token !== undefined) this.#queued.set(token, queued);
    return queued;
  }

  /** A sale as the provider's answer. */
  outcome(sale: Sale): CreateOutcome {
    if ("refused" in sale) return { kind: "unavailable", pools: sale.refused };
    if ("queued" in sale) {
      const { id, account, pool } = sale.queued;
      const change = pool.capacity.nextChange(this.#parts.time.now());
      const ref = { provider: this.#parts.limits.provider, account, region: pool.region, kind: "request", id };
      return { kind: "queued", ref, ...(change === undefined ? {} : { expectedStart: iso(change) }) };
    }
    const [first, ...more] = sale.machines;
    const { fleet } = this.#parts;
    return { kind: "created", machines: [fleet.show(first), ...more.map((machine) => fleet.show(machine))], also: [] };
  }

  #make(intent: Intent, buyer: Buyer, pool: Pool, fault: FaultDetail | undefined): CloudMachine {
    const { fleet, tagging, random } = this.#parts;
    const tags = fault?.kind === "partial-tags" ? partOf(intent.tags, fault.keepTags) : { ...intent.tags };
    // A cloud of class C names its machines itself.
    const own = this.#parts.class === "C" ? `vm-${randomId(random, 8)}` : intent.name;
    return fleet.make({
      account: buyer.account,
      client: buyer.client,
      pool,
      intent,
      name: tagging === "in-name" ? nameWithTags(own, tags) : own,
      tags: tagging === "at-create" ? tags : {},
      plan: this.#parts.plan(),
    });
  }

  #token(intent: Intent, account: string, part: number | undefined): string {
    const zone = this.#parts.tokenScope === "zone" ? ` ${intent.offers[0].zone ?? intent.offers[0].region ?? ""}` : "";
    return `${account}${zone} ${intent.id}${part === undefined ? "" : `/${part}`}`;
  }
}

/** Some of the tags: the given keys, or every second one. */
export function partOf(tags: Record<string, string>, keep: readonly string[] | undefined): Record<string, string> {
  const keys = Object.keys(tags).sort();
  const kept = keep ?? keys.filter((key, index) => index % 2 === 0 && key !== TAGS.intent);
  return Object.fromEntries(keys.filter((key) => kept.includes(key)).map((key) => [key, tags[key] ?? ""]));
}

function refusal(pool: Pool): UnavailablePool {
  return { offerId: pool.id, scope: "zone", tried: true };
}
