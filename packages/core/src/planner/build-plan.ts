import { RunctlError } from "../errors/runctl-error.ts";
import type { Notice } from "../provider/plan.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import type { Machine } from "../provider/resource.ts";
import type { ProviderRegistry } from "../registry/provider-registry.ts";
import type { ResolvedSpec } from "../spec/resolved-spec.ts";
import type { Clock } from "../util/clock.ts";
import { estimateCost, estimateWork } from "./estimate.ts";
import { planGuard } from "./guard.ts";
import { offerRequestOf } from "./offer-request.ts";
import { type CollectedOffers, offersFromAll } from "./offers-from-all.ts";
import { budgetRefusal, deadlineRefusal, offerRefusals, spotRefusal } from "./plan-refusals.ts";
import { planSteps } from "./plan-steps.ts";
import type { RankedOffer, RunPlan } from "./plan-types.ts";
import { planWarnings } from "./plan-warnings.ts";
import { type RankHistory, rankOffers } from "./rank-offers.ts";
import { applyAllowed, refusal } from "./refusals.ts";

/** What a plan looks at. Everything here only reads. */
export interface PlanDeps {
  providers: ProviderRegistry;
  clock: Clock;
  /** What staging would move. Default: nothing is counted. */
  files?: ((spec: ResolvedSpec) => Promise<RunPlan["files"]>) | undefined;
  /** Earlier runs of this work, cool-downs and refusals. Default: nothing is known. */
  history?: ((spec: ResolvedSpec) => Promise<RankHistory>) | undefined;
  /** The machine that `spec.machine` names, and the run that trains on it now. undefined: there is none. */
  machine?: ((spec: ResolvedSpec) => Promise<{ machine: Machine; busyWith?: string | undefined } | undefined>) | undefined;
  /** Further refusals and warnings of rooms above: project budgets, missing stores. */
  checks?: ((spec: ResolvedSpec) => Promise<{ refusals: Notice[]; warnings: Notice[] }>) | undefined;
  /** For each provider's offers. Default 30 s. */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * A dry run: what train() would do, cost and refuse. Buys, writes and uploads nothing; asks providers for their offers.
 * @throws the signal's reason when it aborts; everything that is wrong with the spec is in `refusals`.
 */
export async function buildPlan(deps: PlanDeps, spec: ResolvedSpec): Promise<RunPlan> {
  const now = deps.clock.now();
  const nothingKnown: RankHistory = {};
  const [files, given, extra] = await Promise.all([
    deps.files?.(spec) ?? { count: 0, bytes: 0, changed: 0 },
    deps.history?.(spec) ?? nothingKnown,
    deps.checks?.(spec) ?? { refusals: [], warnings: [] },
  ]);
  const { providers, refusals } = askedProviders(deps.providers, spec);
  const work = estimateWork(spec, now, given.workMs);
  const workMs = work.expectedMs ?? work.atMostMs;
  const history: RankHistory = { ...given, abilities: abilitiesOf(providers), workMs };
  refusals.push(...deadlineRefusal(spec, now), ...optionRefusals(providers, spec));

  const found = spec.machine === undefined ? await search(deps, spec, providers, history) : { ranked: [], failures: [], all: [] };
  const existing = spec.machine === undefined ? undefined : await existingMachine(deps, spec, refusals);
  const chosen = found.ranked.find((entry) => entry.dropped === undefined);
  const provider = deps.providers.find(chosen?.offer.provider ?? existing?.ref.provider ?? "");
  const sharedHost = provider?.capabilities.sharedHost === true;
  if (spec.machine === undefined && refusals.every((notice) => notice.id !== "unknown-provider")) {
    const onDemand = rankOffers(found.all, { ...spec, market: "on-demand" }, history).find((entry) => entry.dropped === undefined);
    refusals.push(
      ...offerRefusals(found.ranked, spec, found.failures, providers),
      ...budgetRefusal(spec, chosen, sharedHost),
      ...spotRefusal(spec, chosen, onDemand, workMs),
    );
    if (chosen !== undefined && chosen.pricePerHour === undefined && spec.budget !== undefined) {
      refusals.push(
        refusal(
          "budget-unpriced",
          `A budget is set, but the price of ${chosen.offer.type} is unknown.`,
          "Nobody could say when the budget is used up.",
          ["Choose an offer with a price."],
        ),
      );
    }
  }
  const guard = planGuard(spec, now, {
    capabilities: provider?.capabilities,
    price: chosen?.pricePerHour ?? existing?.pricePerHour,
    maxPrice: chosen?.offer.maxPricePerHour,
    owned: spec.machine === undefined,
  });
  const sorted = applyAllowed([...refusals, ...extra.refusals], spec.allow);
  const warnings = planWarnings(spec, { chosen, guard, files, sharedHost, failures: found.failures, failedCount: found.failures.length });
  return {
    offers: found.ranked,
    estimate: estimateCost(spec, chosen ?? existingAsOffer(existing), work, history),
    guard,
    steps: planSteps(spec, chosen, files, sharedHost),
    files,
    warnings: [...warnings, ...sorted.allowed, ...extra.warnings],
    refusals: sorted.refusals,
  };
}

async function search(deps: PlanDeps, spec: ResolvedSpec, providers: TrainingProvider[], history: RankHistory) {
  // On-demand is asked for as well where only spot is wanted: the plan compares the two.
  const market = spec.market === "spot" && spec.checkpoints === false ? "auto" : spec.market;
  const { clock, signal, timeoutMs } = deps;
  const collected: CollectedOffers = await offersFromAll(providers, offerRequestOf(spec, market), {
    clock,
    signal,
    timeoutMs,
    refusals: history.refusals,
  });
  return { ranked: rankOffers(collected.offers, spec, history), failures: collected.failures, all: collected.offers };
}

function askedProviders(registry: ProviderRegistry, spec: ResolvedSpec): { providers: TrainingProvider[]; refusals: Notice[] } {
  try {
    return { providers: registry.select(spec.providers), refusals: [] };
  } catch (error) {
    if (!RunctlError.is(error)) throw error;
    return { providers: [], refusals: [{ id: "unknown-provider", what: error.what, why: error.why, fix: error.fix }] };
  }
}

function abilitiesOf(providers: readonly TrainingProvider[]): RankHistory["abilities"] {
  return Object.fromEntries(
    providers.map(({ name, capabilities, volumes }) => [
      name,
      { containers: capabilities.containers, volumes: volumes !== undefined, gang: capabilities.gang },
    ]),
  );
}

function optionRefusals(providers: readonly TrainingProvider[], spec: ResolvedSpec): Notice[] {
  return providers.flatMap((provider) => {
    const options = spec.providerOptions[provider.name];
    if (options === undefined) return [];
    try {
      provider.validateOptions?.(options);
      return [];
    } catch (error) {
      if (!RunctlError.is(error)) throw error;
      return [{ id: "provider-options", what: error.what, why: error.why, fix: error.fix }];
    }
  });
}

async function existingMachine(deps: PlanDeps, spec: ResolvedSpec, refusals: Notice[]): Promise<Machine | undefined> {
  if (deps.machine === undefined) return undefined;
  const found = await deps.machine(spec);
  const usable = found !== undefined && found.machine.state !== "ended" && found.machine.state !== "ending";
  if (!usable) {
    refusals.push(
      refusal(
        "machine-not-found",
        `There is no machine ${spec.machine}${found === undefined ? "" : " any more: it has ended"}.`,
        "A run needs a machine that is there.",
        ["Check the id, or leave machine out to buy one."],
      ),
    );
    return undefined;
  }
  if (found.busyWith !== undefined && !spec.share) {
    refusals.push(
      refusal(
        "machine-busy",
        `The machine ${spec.machine} is training run ${found.busyWith}.`,
        "Two trainings on one machine slow each other down and may run out of memory.",
        ["Wait until it is over, or use another machine.", "Set share: true to train on it all the same."],
      ),
    );
  }
  return found.machine;
}

function existingAsOffer(machine: Machine | undefined): RankedOffer | undefined {
  if (machine === undefined) return undefined;
  const offer = {
    id: machine.ref.id,
    provider: machine.ref.provider,
    type: machine.type ?? "machine",
    accelerators: [],
    market: machine.market ?? "on-demand",
    can: { stop: false, notice: false, endItself: false },
  };
  return { offer, ...(machine.pricePerHour === undefined ? {} : { pricePerHour: machine.pricePerHour }), why: "It is there already." };
}
