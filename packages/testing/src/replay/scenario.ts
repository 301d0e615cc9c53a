import type { RunSpec } from "@runctl/core";
import type { Offer } from "@runctl/core/provider";
import { formatDuration, parseDuration } from "@runctl/core/seams";
import type { EmulatedCloudOptions, MachineTypeOptions, PoolOptions } from "../cloud/cloud-options.ts";
import type { CapacitySchedule, PriceSchedule } from "../cloud/schedules.ts";
import type { PriceCurve, ReplayMarket, ReplayOptions } from "./choices.ts";
import type { RecordedMachine, RecordedRun } from "./recorded-run.ts";
import type { PricedTrace } from "./spot-trace.ts";

/** A machine of this market is taken away: noticed, then ended. Milliseconds since the run was made. */
export interface Reclaim {
  market: string;
  noticeAtMs: number;
  atMs: number;
  action: string;
}

/** The world in which a record is run again, and how sure it is. */
export interface Scenario {
  cloud: EmulatedCloudOptions;
  /** Fields of the spec that the choices and the record set. */
  spec: RunSpec;
  reclaims: Reclaim[];
  assumptions: string[];
  unknown: string[];
  /** Pools whose price nobody told. A replay that buys there has an unknown cost. */
  unpriced: Array<{ market: string; type: string }>;
}

const DEFAULT_NOTICE_SECONDS = 120;
/** Half of what lies between two listings. */
const LISTING_MS = 5_000;
const FREE = { end: "hold" } as const;

/** Turns a record and other choices into a world. Pure. */
export function scenarioOf(run: RecordedRun, options: ReplayOptions, trace: PricedTrace | undefined): Scenario {
  const notes = { assumptions: [] as string[], unknown: [] as string[], unpriced: [] as Scenario["unpriced"] };
  const market = typeof options.market === "object" ? options.market : {};
  const offers = offersOf(run, options);
  const wanted = options.policy?.market ?? run.spec.market;
  const markets = wanted === "spot-then-on-demand" || wanted === "auto" ? ["spot", "on-demand"] : [wanted];
  const pools: PoolOptions[] = [];
  const types: MachineTypeOptions[] = [];
  const places = placesOf(offers);
  for (const offer of uniqueTypes(offers)) {
    const mentions = (name: string): RecordedMachine[] =>
      run.machines.filter((machine) => machine.offer?.type === offer.type && machine.market === name);
    const onDemand = priceOf("on-demand", run, options, mentions("on-demand"), trace);
    const spot = priceOf("spot", run, options, mentions("spot"), trace);
    if (markets.includes("on-demand") && onDemand === undefined) notes.unpriced.push({ market: "on-demand", type: offer.type });
    if (markets.includes("spot") && spot === undefined) notes.unpriced.push({ market: "spot", type: offer.type });
    types.push({
      name: offer.type,
      cpus: offer.cpus ?? 1,
      memoryBytes: offer.memoryBytes ?? 2 ** 30,
      accelerators: offer.accelerators.map((one) => ({ ...one })),
      onDemand: onDemand ?? 0,
      ...(markets.includes("spot") ? { spot: spot ?? 0 } : {}),
    });
    if (onDemand === undefined) pools.push({ type: offer.type, market: "on-demand", hidePrice: true });
    if (spot === undefined && markets.includes("spot")) pools.push({ type: offer.type, market: "spot", hidePrice: true });
  }
  pools.push(...capacities(run, market, trace, places, notes));
  const reclaims = reclaimsOf(run, market, notes);
  const noticeSeconds = market.noticeSeconds ?? noticeOf(run) ?? DEFAULT_NOTICE_SECONDS;
  const cloud: EmulatedCloudOptions = {
    name: offers[0]?.provider ?? "cloud",
    regions: places.map(({ region, zones }) => ({ name: region, zones })),
    types,
    pools,
    spot: { noticeMs: noticeSeconds * 1000 },
    transitions: { endingMs: endingMs(run) },
    latencyMs: { create: median(run.machines.filter((one) => one.owned).map((one) => Math.max(0, one.createdAtMs - one.askedAtMs))) * 2 },
    // What was paid is known by the price at the purchase; given prices move while a machine runs.
    billing: {
      granularitySeconds: 0,
      minimumSeconds: 0,
      spotPrice: market.spot === undefined && trace?.prices === undefined ? "locked" : "market",
    },
    keepEvents: 0,
  };
  return { cloud, ...specOf(run, options, notes), reclaims, ...notes };
}

/** Offers to choose from: those of the record, or the one that the policy names. */
function offersOf(run: RecordedRun, options: ReplayOptions): Offer[] {
  const recorded = [
    ...run.machines.flatMap((machine) => (machine.offer === undefined ? [] : [machine.offer])),
    ...run.refusals.map(({ offer }) => offer),
  ];
  const wanted = options.policy?.offer;
  if (wanted === undefined) return recorded.length > 0 ? recorded : [madeUp(run)];
  const known = recorded.filter((offer) => offer.id === wanted || offer.type === wanted);
  return known.length > 0 ? known : [{ ...(recorded[0] ?? madeUp(run)), id: wanted, type: wanted }];
}

/** A run that used a machine of its user's has no offer. */
function madeUp(run: RecordedRun): Offer {
  return {
    id: "machine",
    provider: run.machines[0]?.id.split("/")[0] ?? "cloud",
    type: "machine",
    accelerators: run.spec.resources?.gpus ?? [],
    market: "on-demand",
    can: { stop: true, notice: true, endItself: true },
  };
}

function uniqueTypes(offers: readonly Offer[]): Offer[] {
  return [...new Map(offers.map((offer) => [offer.type, offer])).values()];
}

function placesOf(offers: readonly Offer[]): Array<{ region: string; zones: string[] }> {
  const places = new Map<string, Set<string>>();
  for (const offer of offers) {
    const region = offer.region ?? "region";
    places.set(region, (places.get(region) ?? new Set()).add(offer.zone ?? `${region}-a`));
  }
  return [...places].map(([region, zones]) => ({ region, zones: [...zones] }));
}

function priceOf(
  name: "spot" | "on-demand",
  run: RecordedRun,
  options: ReplayOptions,
  machines: readonly RecordedMachine[],
  trace: PricedTrace | undefined,
): PriceSchedule | undefined {
  if (options.policy?.pricePerHour !== undefined) return options.policy.pricePerHour;
  const market = typeof options.market === "object" ? options.market : {};
  const given = name === "spot" ? market.spot : market.onDemand;
  if (given !== undefined) return curve(given);
  if (trace !== undefined && name === "spot") {
    if (trace.prices !== undefined) return { trace, offsetSeconds: startOf(market) / 1000, ...FREE };
    if (trace.spotPrice !== undefined) return trace.spotPrice;
  }
  if (trace?.onDemandPrice !== undefined && name === "on-demand") return trace.onDemandPrice;
  const paid = machines.flatMap((machine) =>
    machine.pricePerHour === undefined ? [] : [{ at: machine.askedAtMs, price: machine.pricePerHour.amount }],
  );
  const steps = paid.filter((step, index) => index === 0 || step.at > (paid[index - 1]?.at ?? 0));
  const [first] = steps;
  if (first === undefined) return offered(name, run);
  return [{ at: 0, price: first.price }, ...steps.filter((step) => step.at > 0)];
}

/** The price of an offer that was refused is known as well. */
function offered(name: string, run: RecordedRun): number | undefined {
  return run.refusals.find(({ offer }) => offer.market === name)?.offer.pricePerHour?.amount;
}

function curve(given: PriceCurve): PriceSchedule {
  if (typeof given === "number") return given;
  const steps = given.map(([at, price]) => ({ at: parseDuration(at, "market price"), price }));
  return (steps[0]?.at ?? 0) > 0 ? [{ at: 0, price: steps[0]?.price ?? 0 }, ...steps] : steps;
}

function startOf(market: ReplayMarket): number {
  return market.traceStart === undefined ? 0 : parseDuration(market.traceStart, "market.traceStart");
}

/** When spot machines are to be had: a trace, or what the record's refusals and purchases show. */
function capacities(
  run: RecordedRun,
  market: ReplayMarket,
  trace: PricedTrace | undefined,
  places: ReturnType<typeof placesOf>,
  notes: { assumptions: string[] },
): PoolOptions[] {
  if (trace !== undefined) {
    const lasts = formatDuration(trace.data.length * trace.gapSeconds * 1000 - startOf(market));
    notes.assumptions.push(`Spot machines are to be had as the trace says; after its end (${lasts}) as at its end.`);
    return [{ market: "spot", capacity: { trace, offsetSeconds: startOf(market) / 1000, ...FREE } }];
  }
  const pools = new Map<string, { offer: Offer; seen: Array<{ at: number; had: boolean }> }>();
  const see = (offer: Offer, at: number, had: boolean): void => {
    const pool = pools.get(offer.id) ?? { offer, seen: [] };
    pool.seen.push({ at, had });
    pools.set(offer.id, pool);
  };
  for (const { offer, atMs } of run.refusals) see(offer, atMs, false);
  for (const { offer, askedAtMs } of run.machines) if (offer !== undefined) see(offer, askedAtMs, true);
  const options: PoolOptions[] = [];
  for (const { offer, seen } of pools.values()) {
    if (seen.every(({ had }) => had)) continue;
    const { region } = places.find((place) => place.region === (offer.region ?? "region")) ?? { region: "region" };
    options.push({ region, zone: offer.zone ?? `${region}-a`, type: offer.type, market: offer.market, capacity: seenCapacity(seen) });
    notes.assumptions.push(
      `${offer.type} (${offer.market}) could be had when the record got it; between a refusal and a purchase it changed half way.`,
    );
  }
  return options;
}

/** Between a refusal and a purchase nobody asked: the change is taken to lie in the middle. */
function seenCapacity(seen: Array<{ at: number; had: boolean }>): CapacitySchedule {
  const machines = (had: boolean): number => (had ? 1_000 : 0);
  const ordered = seen.toSorted((a, b) => a.at - b.at);
  const steps = [{ at: 0, machines: machines(ordered[0]?.had ?? true) }];
  ordered.forEach(({ at, had }, index) => {
    const before = ordered[index - 1] ?? { at: 0, had };
    const change = Math.round((before.at + at) / 2);
    if (before.had !== had && change > (steps.at(-1)?.at ?? 0)) steps.push({ at: change, machines: machines(had) });
  });
  return steps;
}

function reclaimsOf(run: RecordedRun, market: ReplayMarket, notes: { assumptions: string[] }): Reclaim[] {
  const noticeMs = (market.noticeSeconds ?? noticeOf(run) ?? DEFAULT_NOTICE_SECONDS) * 1000;
  if (market.trace !== undefined) return [];
  if (market.interruptions === "none") {
    notes.assumptions.push("No machine is taken away.");
    return [];
  }
  if (market.interruptions !== undefined) {
    return market.interruptions.map((at): Reclaim => {
      const atMs = parseDuration(at, "market.interruptions");
      return { market: "spot", atMs, noticeAtMs: Math.max(0, atMs - noticeMs), action: "terminate" };
    });
  }
  const recorded = run.machines.flatMap((machine): Reclaim[] => {
    if (machine.reclaimed === undefined) return [];
    const { atMs, action, noticeAtMs } = machine.reclaimed;
    const noticed = market.noticeSeconds === undefined ? (noticeAtMs ?? atMs) : Math.max(0, atMs - noticeMs);
    return [{ market: machine.market, atMs, noticeAtMs: noticed, action }];
  });
  notes.assumptions.push(
    recorded.length === 0
      ? "No machine is taken away, as in the record."
      : "Machines are taken away at the moments of the record, whichever run then; none after its end.",
  );
  return recorded;
}

function noticeOf(run: RecordedRun): number | undefined {
  const noticed = run.machines.find((machine) => machine.reclaimed !== undefined)?.reclaimed;
  if (noticed === undefined) return undefined;
  return noticed.noticeAtMs === undefined ? 0 : Math.round((noticed.atMs - noticed.noticeAtMs) / 1000);
}

/** From asking for a machine's end to the end of its billing, or until the run believed it: a listing tells, every ten seconds. */
function endingMs(run: RecordedRun): number {
  const took = run.machines.flatMap(({ endAskedAtMs, endedAtMs, reclaimed }) =>
    endAskedAtMs === undefined || endedAtMs === undefined || reclaimed !== undefined ? [] : [Math.max(0, endedAtMs - endAskedAtMs)],
  );
  const last = run.machines.at(-1)?.endAskedAtMs;
  const believed = run.status === undefined || last === undefined ? 0 : run.durationMs - last - LISTING_MS;
  return Math.max(0, median(took), believed);
}

function specOf(
  run: RecordedRun,
  options: ReplayOptions,
  notes: Pick<Scenario, "assumptions" | "unknown" | "unpriced">,
): { spec: RunSpec } {
  const { policy = {} } = options;
  const { spec } = run;
  const budget = policy.budget === undefined ? spec.budget : (policy.budget ?? undefined);
  const first = policy.market ?? (spec.market === "spot-then-on-demand" ? "spot" : spec.market);
  const isWatched = budget !== undefined && !notes.unpriced.some((pool) => pool.market === first);
  if (budget !== undefined && !isWatched)
    notes.unknown.push("Whether the budget would have lasted: a price is unknown, so it is left out.");
  const deadline = policy.deadline === undefined ? spec.deadline : (policy.deadline ?? undefined);
  const maxDuration = policy.maxDuration === undefined ? spec.maxDurationMs : (policy.maxDuration ?? undefined);
  const market = policy.market ?? spec.market;
  const { interruptions, failures, capacityMs } = spec.retries;
  const own = policy.retries ?? {};
  const most = own.interruptions ?? interruptions;
  const saves = spec.checkpoints;
  return {
    spec: {
      market,
      ...(market === "spot-then-on-demand" ? { fallbackAfter: policy.fallbackAfter ?? spec.fallbackAfterMs } : {}),
      ...(spec.maxPricePerHour === undefined ? {} : { maxPricePerHour: spec.maxPricePerHour }),
      ...(isWatched ? { budget } : {}),
      ...(maxDuration === undefined ? {} : { maxDuration }),
      ...(deadline === undefined ? {} : { deadline }),
      checkpoints: saves === false ? false : { dir: saves.dir, keep: { last: saves.keep.last }, grace: saves.graceMs },
      retries: {
        ...(most === null ? {} : { interruptions: most }),
        failures: own.failures ?? failures,
        capacity: own.capacity ?? capacityMs,
      },
      ...(spec.onEnd === undefined
        ? {}
        : { onEnd: typeof spec.onEnd === "object" ? { after: spec.onEnd.afterMs, then: spec.onEnd.then } : spec.onEnd }),
      // Another choice is judged by what comes out, not refused for what is expected.
      allow: ["spot-costs-more", "budget-too-small", ...spec.allow],
    },
  };
}

/** The middle value; 0 of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
