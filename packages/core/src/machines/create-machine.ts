import { deleteResource } from "../cleanup/delete-resource.ts";
import { AmbiguousOutcomeError, NoCapacityError, NotFoundError, QuotaError } from "../errors/kinds.ts";
import type { Intent } from "../provider/intent.ts";
import type { Offer } from "../provider/offer.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import { formatRef, type Machine } from "../provider/resource.ts";
import { TAGS } from "../provider/tags.ts";
import { pinAccount } from "../purchase/account-pin.ts";
import { findPurchase } from "../purchase/find-purchase.ts";
import { performCreate } from "../purchase/perform-create.ts";
import { ResourceLog } from "../tracker/resource-log.ts";
import { isoNow } from "../util/clock.ts";
import { randomId } from "../util/random.ts";
import { machineRecord } from "./machine-record.ts";
import type { ResolvedMachineRequest } from "./machine-request.ts";
import type { MachinesDeps } from "./machines-deps.ts";

/** One purchase outside of runs, from offers to ledger. `log` and `background` belong to the facade. */
export interface CreateContext {
  deps: MachinesDeps;
  log: ResourceLog;
  /** Intents this process is at work on: reconcile leaves them alone. */
  inFlight: Set<string>;
  /** Keeps work that goes on after the caller was answered. */
  background: (work: Promise<unknown>) => void;
}

/** As many different offers are asked for before it is "no capacity". */
const OFFERS_TRIED = 5;

/**
 * Buys one machine, intent first. @throws QuotaError above the running limit; NoCapacityError when no offer was to be had;
 * AmbiguousOutcomeError when something may exist (reconcile settles it); the signal's own reason after an abort.
 */
export async function createMachine(
  context: CreateContext,
  request: ResolvedMachineRequest,
  signal: AbortSignal | undefined,
): Promise<Machine> {
  const { deps } = context;
  const provider = deps.providers.find(request.provider);
  if (provider === undefined)
    throw new NotFoundError({ what: `There is no provider ${JSON.stringify(request.provider)}.`, fix: ["Add it to providers."] });
  if (request.options !== undefined) provider.validateOptions?.(request.options);
  await checkLimits(deps);
  const offers = choose(await provider.offers(request.offers, { signal }), request);
  signal?.throwIfAborted();
  await pinAccount(deps.state, provider, { session: deps.session ?? "machines", at: isoNow(deps.clock) });
  const stateId = await deps.state.stateId();
  let why = "The provider has no offer that fits.";
  // A provider that takes several pools in one call chooses among them itself.
  const rounds = provider.capabilities.multiPool
    ? offers.length > 0
      ? [offers]
      : []
    : offers.slice(0, OFFERS_TRIED).map((offer) => [offer]);
  for (const round of rounds) {
    signal?.throwIfAborted();
    const intent = makeIntent(deps, provider, request, stateId, round as [Offer, ...Offer[]]);
    context.inFlight.add(intent.id);
    const bought = await buy(context, provider, intent, stateId, signal).finally(() => context.inFlight.delete(intent.id));
    if (bought.type === "machine") return bought.machine;
    why = bought.why;
  }
  throw new NoCapacityError({
    what: `No machine was to be had from ${provider.name}.`,
    why,
    fix: ["Try another region, type or market, or again later."],
    provider: provider.name,
  });
}

async function buy(
  context: CreateContext,
  provider: TrainingProvider,
  intent: Intent,
  stateId: string,
  signal: AbortSignal | undefined,
): Promise<{ type: "machine"; machine: Machine } | { type: "next"; why: string }> {
  const { deps, log } = context;
  const stream = `resource/${intent.id}`;
  await log.update(stream, () => [{ type: "intent-recorded", intent, project: deps.project, user: deps.user }]);
  const result = await performCreate(provider, intent, { clock: deps.clock, stateId, signal });
  const owner = { stateId, project: deps.project, user: deps.user, now: isoNow(deps.clock) };
  switch (result.type) {
    case "created": {
      const [machine] = result.machines;
      await log.update(stream, () => [{ type: "purchase-created", record: machineRecord(machine, intent, owner) }]);
      if (result.duplicates.length > 0) context.background(endSurplus(context, provider, intent, result.duplicates));
      if (signal?.aborted === true) {
        await endBought(context, provider, intent, machine, "Its creation was aborted.");
        throw signal.reason;
      }
      return { type: "machine", machine };
    }
    case "queued": {
      await log.update(stream, () => [{ type: "purchase-queued", ref: formatRef(result.ref) }]);
      throw new NoCapacityError({
        what: `${provider.name} has queued ${intent.name}.`,
        why: `It is not there yet${result.expectedStart === undefined ? "" : `; expected ${result.expectedStart}`}. reconcile() takes it into the ledger when it appears.`,
        context: { intentId: intent.id, ref: formatRef(result.ref) },
      });
    }
    case "unavailable": {
      const why = `No capacity for ${intent.offers.map((offer) => offer.id).join(", ")}.`;
      if (result.sweep) await giveUp(context, provider, intent, stateId, why);
      else await close(log, stream, "unavailable", why);
      return { type: "next", why };
    }
    case "failed":
      await close(log, stream, "failed", result.error.what);
      signal?.throwIfAborted();
      throw result.error;
    case "ambiguous":
      await giveUp(context, provider, intent, stateId, result.error.what);
      signal?.throwIfAborted();
      throw new AmbiguousOutcomeError({
        what: `Whether ${intent.name} was bought is unknown.`,
        why: result.error.what,
        fix: ["reconcile() ends what appears of it; cleanup.plan() shows it."],
        provider: provider.name,
        context: { intentId: intent.id },
        cause: result.error,
      });
  }
}

async function close(log: ResourceLog, stream: string, outcome: "unavailable" | "failed", why: string): Promise<void> {
  await log.update(stream, () => [{ type: "purchase-closed", outcome, why }]);
  await log.end(stream);
}

/** Void first, durable; then, in the background, whatever shows within the settle window is ended. Later ones are reconcile's. */
async function giveUp(context: CreateContext, provider: TrainingProvider, intent: Intent, stateId: string, why: string): Promise<void> {
  const { deps, log } = context;
  await log.update(`resource/${intent.id}`, () => [{ type: "purchase-void", at: isoNow(deps.clock), why }]);
  context.background(
    findPurchase(provider, intent, { clock: deps.clock, stateId }).then((machines) =>
      endSurplus(
        context,
        provider,
        intent,
        machines.filter((machine) => machine.state !== "ended"),
      ),
    ),
  );
}

/** Ends machines of an intent that nobody wants: each gets a record of its own first, for each costs money until it is gone. */
export async function endSurplus(
  context: CreateContext,
  provider: TrainingProvider,
  intent: Pick<Intent, "offers">,
  machines: readonly Machine[],
): Promise<void> {
  const { deps, log } = context;
  const owner = { stateId: await deps.state.stateId(), project: deps.project, user: deps.user, now: isoNow(deps.clock) };
  for (const machine of machines) {
    const record = machineRecord(machine, intent, owner);
    const stream = await log.update(ResourceLog.streamOf(record.id), (loaded) => (loaded.next > 0 ? [] : [{ type: "registered", record }]));
    await deleteResource(log, deps.clock, {
      provider,
      ref: machine.ref,
      why: "Its purchase was given up.",
      record,
      stream,
      confirmWithinMs: 300_000,
    });
  }
}

/** Ends the machine of a purchase that is in the ledger. true: the provider confirmed it. */
export async function endBought(
  context: CreateContext,
  provider: TrainingProvider,
  intent: Intent,
  machine: Machine,
  why: string,
): Promise<boolean> {
  const { deps, log } = context;
  const stream = await log.load(`resource/${intent.id}`);
  const owner = { stateId: await deps.state.stateId(), project: deps.project, user: deps.user, now: isoNow(deps.clock) };
  const record = stream.state.record ?? machineRecord(machine, intent, owner);
  return (await deleteResource(log, deps.clock, { provider, ref: machine.ref, why, record, stream, confirmWithinMs: 300_000 })).gone;
}

function makeIntent(
  deps: MachinesDeps,
  provider: TrainingProvider,
  request: ResolvedMachineRequest,
  stateId: string,
  offers: [Offer, ...Offer[]],
): Intent {
  const id = randomId(deps.random, 20);
  const now = deps.clock.now();
  const intent: Omit<Intent, "boot"> = {
    id,
    name:
      request.name === undefined
        ? `runctl-${safe(deps.user)}-${safe(deps.project)}-${id.slice(0, 8)}`
        : `${request.name}-${id.slice(0, 8)}`,
    attempt: 0,
    offers,
    nodes: 1,
    tags: {
      ...request.tags,
      [TAGS.createdBy]: "runctl",
      [TAGS.created]: new Date(now).toISOString(),
      [TAGS.project]: deps.project,
      [TAGS.user]: deps.user,
      [TAGS.state]: stateId,
      [TAGS.intent]: id,
    },
    sshPublicKey: request.sshPublicKey,
    image: request.image,
    diskBytes: request.diskBytes,
    volumes: request.volumes,
    env: request.env,
    endBy: new Date(now + request.maxLifetimeMs).toISOString(),
    options: request.options,
  };
  return { ...intent, boot: deps.boot?.(provider, intent) ?? "" };
}

function safe(text: string): string {
  return (
    text
      .replaceAll(/[^A-Za-z0-9]+/g, "-")
      .replaceAll(/^-+|-+$/g, "")
      .slice(0, 16) || "x"
  );
}

/** What fits, cheapest first; an unknown price only where no cap was set, and last. */
function choose(offers: readonly Offer[], request: ResolvedMachineRequest): Offer[] {
  const { markets, instanceTypes, regions, zones, maxPricePerHour: cap } = request.offers;
  const fits = (wanted: readonly string[] | undefined, value: string | undefined): boolean =>
    wanted === undefined || (value !== undefined && wanted.includes(value));
  return offers
    .filter(
      (offer) =>
        fits(markets, offer.market) &&
        fits(instanceTypes, offer.type) &&
        fits(regions, offer.region) &&
        fits(zones, offer.zone) &&
        (cap === undefined || (offer.pricePerHour !== undefined && offer.pricePerHour.amount <= cap)),
    )
    .sort(
      (a, b) =>
        (a.pricePerHour?.amount ?? Number.POSITIVE_INFINITY) - (b.pricePerHour?.amount ?? Number.POSITIVE_INFINITY) ||
        (a.id < b.id ? -1 : 1),
    );
}

async function checkLimits(deps: MachinesDeps): Promise<void> {
  const max = deps.limits?.maxRunning ?? 50;
  const running = (await deps.tracker.running()).filter(
    (resource) => resource.project === deps.project && resource.ref.kind === "machine",
  ).length;
  if (running >= max) {
    throw new QuotaError({
      what: `${running} machines of project ${deps.project} run already; the limit is ${max}.`,
      why: "The limit guards against a loop that buys.",
      fix: ["Stop some, or raise limits.maxRunning."],
    });
  }
  if (running >= (deps.limits?.warnRunning ?? 10)) deps.logger?.warn?.("many machines run", { running, project: deps.project });
}
