import { BudgetExceededError, NoCapacityError } from "../errors/kinds.ts";
import { offerRequestOf } from "../planner/offer-request.ts";
import { offersFromAll } from "../planner/offers-from-all.ts";
import { rankOffers } from "../planner/rank-offers.ts";
import type { Intent } from "../provider/intent.ts";
import type { Offer } from "../provider/offer.ts";
import { TAGS } from "../provider/tags.ts";
import { isoNow } from "../util/clock.ts";
import { randomId } from "../util/random.ts";
import type { DriverPort } from "./driver-port.ts";
import { limitsOf } from "./execute-plan.ts";
import { failureRecord } from "./failure.ts";
import type { RunLogEvent } from "./log-events.ts";
import { hasProjectBudget, setAside } from "./project-budget.ts";
import { hasBeenRefused, takeSlot } from "./project-slots.ts";
import type { RunState } from "./run-state.ts";
import { makeVolumes, volumeMounts, volumePlace } from "./run-volumes.ts";
import { spentAtMostUsd, spentUsd } from "./spent.ts";

/** How long a pool that refused is left alone, when its provider does not say. */
const COOL_DOWN_MS = 5 * 60_000;

/** Chooses the best offer of now and records the intent to buy it. Nothing is bought yet. */
export async function buy(driver: DriverPort): Promise<void> {
  const { providers, clock, slots } = driver.context;
  if (!slots.holds(driver.runId)) {
    const { runId, createdAt } = driver.state;
    const isHunting = hasBeenRefused(driver.state);
    if (!(await takeSlot(driver.context, { runId, createdAt, isHunting }))) return;
    // Time in the queue is no time spent looking for capacity.
    if (slots.wasDelayed(runId) && !isHunting) await driver.fact({ type: "slot-taken" });
  }
  if (slots.held === slots.warnAt) await manyMachines(driver);
  const { state } = driver;
  const madeAt = state.version;
  // A machine that cannot start its training would only cost money.
  const secrets = await driver.context.secrets(driver.runId, state.spec);
  if (secrets.missing.length > 0) {
    slots.release(driver.runId);
    await driver.decided([{ type: "secrets-missing", names: secrets.missing }], madeAt);
    return;
  }
  const names = state.spec.providers;
  const asked = names.length === 0 ? providers.all() : names.map((name) => providers.get(name));
  const market = marketNow(state, clock.now());
  const place = await volumePlace(driver, asked);
  if (place === "changed") return;
  const spec = { ...state.spec, market, ...place };
  const { offers, failures } = await offersFromAll(
    asked.filter((provider) => spec.providers.length === 0 || spec.providers.includes(provider.name)),
    offerRequestOf(spec, market),
    { clock, signal: driver.signal },
  );
  const ranked = rankOffers(offers, spec, { coolDown: coolingPools(state, clock.now()) });
  const chosen = ranked.find((candidate) => candidate.dropped === undefined && isWithinSight(state.spec, candidate.offer))?.offer;
  if (chosen === undefined)
    return noOffer(
      driver,
      failures.map((failure) => failure.what),
      madeAt,
    );
  if (await makeVolumes(driver, chosen)) return;
  if (isTooLate(driver, chosen)) return outOfBudget(driver, madeAt);
  const intent = intentFor(driver, chosen);
  const events: RunLogEvent[] = [...fallbackEvent(state, chosen)];
  const allowanceUsd = await projectAllowance(driver, chosen);
  if (allowanceUsd === 0) return outOfProjectBudget(driver, madeAt);
  const settleMs = providers.get(chosen.provider).capabilities.settleMs ?? 60_000;
  events.push({ type: "intent-recorded", intent, offer: chosen, allowanceUsd, settleMs });
  // Before it is durable: nobody else can have sent an intent that exists only here.
  driver.recordedHere.add(intent.id);
  await driver.decided(events, madeAt);
}

/** Nobody could say when a budget is used up by a machine without a price; the plan refuses it, and so must every later purchase. */
function isWithinSight(spec: RunState["spec"], offer: Offer): boolean {
  return spec.budget === undefined || offer.pricePerHour !== undefined || spec.allow.includes("budget-unpriced");
}

/** Clouds bill a minute at least, and a machine needs one to boot: what is left would be spent, or overspent, without any training. */
const LEAST_PURCHASE_MS = 120_000;

function isTooLate(driver: DriverPort, offer: Offer): boolean {
  const { state, context } = driver;
  const { budget } = state.spec;
  const price = (offer.maxPricePerHour ?? offer.pricePerHour)?.amount ?? 0;
  // This computer is there already.
  const isHere = context.providers.get(offer.provider).capabilities.sharedHost === true;
  if (budget?.onExceeded !== "stop" || isHere || Object.keys(state.machines).length === 0) return false;
  return (
    ((budget.maxCost - spentAtMostUsd(state, context.clock.now())) / (price * state.spec.resources.nodes)) * 3_600_000 < LEAST_PURCHASE_MS
  );
}

async function outOfBudget(driver: DriverPort, madeAt: number): Promise<void> {
  driver.context.slots.release(driver.runId);
  const error = new BudgetExceededError({
    what: `What is left of the budget of ${driver.state.spec.budget?.maxCost} buys no more training.`,
    why: "Another machine would be paid for longer than that before it trains.",
    fix: ["Go on from the newest checkpoint with `runctl.resume(runId, …)` and a larger budget.maxCost."],
  });
  await driver.decided([{ type: "run-ended", status: "out-of-budget", error: failureRecord(error) }], madeAt);
}

/** Money set aside for this run before it is spent; null: the project has no limit. */
async function projectAllowance(driver: DriverPort, offer: Offer): Promise<number | null> {
  const { context, state } = driver;
  if (!hasProjectBudget(context.projectBudget)) return null;
  const price = (offer.maxPricePerHour ?? offer.pricePerHour)?.amount;
  if (price === undefined) return 0;
  if (price === 0) return null;
  return setAside(context, { runId: driver.runId, spentUsd: spentUsd(state, context.clock.now()).usd, priceUsdPerHour: price, heldUsd: 0 });
}

async function outOfProjectBudget(driver: DriverPort, madeAt: number): Promise<void> {
  driver.context.slots.release(driver.runId);
  const error = new BudgetExceededError({
    what: "The project's budget has no room for this run.",
    why: "What was spent and what running machines may still spend reach a limit of `budget` in the options of Runctl.",
    fix: ["Raise the project's budget.", "Wait for other runs to end, or for the next day (UTC) where perDay is the limit."],
  });
  await driver.decided([{ type: "run-ended", status: "out-of-budget", error: failureRecord(error) }], madeAt);
}

async function manyMachines(driver: DriverPort): Promise<void> {
  const { held } = driver.context.slots;
  await driver.fact({
    type: "alarm",
    id: "many-machines",
    what: `${held} runs of this process have a machine or are about to.`,
    why: "It is the number at which `limits.warnRunning` asks to be told; a loop that starts runs by mistake looks like this.",
    fix: ["Look at `runctl.runs.list({ active: true })`.", "Set `limits.maxRunning` to let the rest wait."],
  });
}

/** The market to ask now: "spot-then-on-demand" turns to on-demand when spot was not to be had for `fallbackAfter`. */
export function marketNow(state: RunState, now: number): RunState["spec"]["market"] {
  const { market, fallbackAfterMs } = state.spec;
  if (market !== "spot-then-on-demand") return market;
  const since = Date.parse(state.wantingSince ?? state.createdAt);
  return now - since >= fallbackAfterMs ? "on-demand" : "spot";
}

function fallbackEvent(state: RunState, chosen: Offer): RunLogEvent[] {
  if (state.spec.market !== "spot-then-on-demand" || chosen.market !== "on-demand") return [];
  const refused = Object.values(state.intents)
    .filter((intent) => intent.offer.market === "spot")
    .at(-1);
  return [
    {
      type: "fallback",
      from: "spot",
      to: "on-demand",
      fromPricePerHour: refused?.offer.pricePerHour,
      toPricePerHour: chosen.pricePerHour,
      reason: `No spot machine in ${Math.round(state.spec.fallbackAfterMs / 1000)} s.`,
    },
  ];
}

function coolingPools(state: RunState, now: number): string[] {
  return Object.values(state.intents)
    .filter(
      (intent) => intent.status === "unavailable" && now - Date.parse(intent.changedAt) < Math.max(COOL_DOWN_MS, intent.retryAfterMs ?? 0),
    )
    .map((intent) => intent.offer.id);
}

function intentFor(driver: DriverPort, offer: Offer): Intent {
  const { state, context } = driver;
  const id = randomId(context.random, 20);
  const now = context.clock.now();
  const attempt = (state.attempts.at(-1)?.number ?? 0) + 1;
  const assumed = {
    id: "",
    machine: undefined as never,
    owned: true,
    state: "pending" as const,
    createdAt: isoNow(context.clock),
    stopped: [],
    // The most it can cost: nobody may be left to see the price rise.
    pricePerHour: offer.maxPricePerHour ?? offer.pricePerHour,
  };
  const { hardSeconds } = limitsOf(state, assumed, now).allowance;
  const { spec } = state;
  return {
    id,
    name: `runctl-${safe(spec.user)}-${safe(spec.project)}-${id}`,
    runId: driver.runId,
    attempt,
    offers: [offer],
    nodes: spec.resources.nodes,
    tags: {
      ...spec.labels,
      [TAGS.createdBy]: "runctl",
      [TAGS.created]: isoNow(context.clock),
      [TAGS.project]: spec.project,
      [TAGS.user]: spec.user,
      [TAGS.state]: context.stateId,
      [TAGS.run]: driver.runId,
      [TAGS.attempt]: String(attempt),
      [TAGS.intent]: id,
    },
    boot: "",
    ...(typeof spec.container === "object" && spec.container.image !== undefined ? { image: spec.container.image } : {}),
    ...(spec.resources.diskBytes === undefined ? {} : { diskBytes: spec.resources.diskBytes }),
    volumes: volumeMounts(state),
    env: {},
    endBy: new Date(now + hardSeconds * 1000).toISOString(),
    ...(spec.providerOptions[offer.provider] === undefined ? {} : { options: spec.providerOptions[offer.provider] }),
  };
}

/** Names travel to clouds with narrow rules: lower-case letters, digits and dashes, short. */
function safe(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, 12);
}

async function noOffer(driver: DriverPort, failures: string[], madeAt: number): Promise<void> {
  const { state, context } = driver;
  context.slots.release(driver.runId);
  const error = new NoCapacityError({
    what: "No provider offers a machine that fits.",
    why: failures.length === 0 ? "Every offer was dropped; `plan()` says why, one by one." : failures.join(" "),
    fix: ["Ask for less, or allow more types, regions and markets.", "Raise retries.capacity to wait longer."],
  });
  const since = Date.parse(state.wantingSince ?? state.createdAt);
  if (context.clock.now() - since < state.spec.retries.capacityMs) throw error;
  await driver.decided([{ type: "run-ended", status: "failed", error: failureRecord(error) }], madeAt);
}
