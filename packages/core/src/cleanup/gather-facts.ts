import { mergeRecord } from "../cost/merge-records.ts";
import { hourlyBurn } from "../cost/record-cost.ts";
import type { ResourceRecord } from "../cost/resource-record.ts";
import type { TrainingProvider, VolumeInfo } from "../provider/provider.ts";
import { type ForeignOrOtherResource, formatRef, type Machine, type ResourceRef } from "../provider/resource.ts";
import { TAGS } from "../provider/tags.ts";
import { pinnedAccounts } from "../purchase/account-pin.ts";
import type { LoadedResource, ResourceLog } from "../tracker/resource-log.ts";
import type { CleanupDeps } from "./cleanup-deps.ts";
import type { CleanupFacts, Doubtful } from "./facts.ts";
import { protectedIds } from "./protections.ts";
import { usageActivity } from "./usage-activity.ts";

/** What our own state says, read once for a whole plan. */
export interface OwnKnowledge {
  stateId: string;
  records: Map<string, ResourceRecord>;
  /** Own streams by record id and by intent id. */
  byRecord: Map<string, LoadedResource>;
  byIntent: Map<string, LoadedResource>;
  protected: Set<string> | "unknown";
  pins: Map<string, string>;
}

/** Something a provider listed just now. */
export type Seen = Machine | ForeignOrOtherResource;

/** Reads the ledger, protections and pins. */
export async function readOwnKnowledge(deps: CleanupDeps, log: ResourceLog): Promise<OwnKnowledge> {
  const records = new Map<string, ResourceRecord>();
  const byRecord = new Map<string, LoadedResource>();
  const byIntent = new Map<string, LoadedResource>();
  const add = (record: ResourceRecord): void => {
    const known = records.get(record.id);
    records.set(record.id, known === undefined ? record : mergeRecord(known, record));
  };
  for (const source of deps.sources ?? []) for await (const record of source.records()) add(record);
  for (const loaded of (await log.all()).resources) {
    if (loaded.state.intent !== undefined) byIntent.set(loaded.state.intent.id, loaded);
    if (loaded.state.record === undefined) continue;
    byRecord.set(loaded.state.record.id, loaded);
    add(loaded.state.record);
  }
  return {
    stateId: await deps.state.stateId(),
    records,
    byRecord,
    byIntent,
    protected: await protectedIds(deps.state).catch((): "unknown" => "unknown"),
    pins: await pinnedAccounts(deps.state).catch(() => new Map<string, string>()),
  };
}

/** The provider's account now; undefined: could not be read. */
export async function accountOf(provider: TrainingProvider | undefined): Promise<string | undefined> {
  try {
    return (await provider?.identity())?.id;
  } catch {
    return undefined;
  }
}

/** Everything the rules ask about one thing. `seen` undefined: the listing lacked it; `absent`: that listing was complete. */
export async function gatherFacts(
  deps: CleanupDeps,
  own: OwnKnowledge,
  subject: {
    ref: ResourceRef;
    seen: Seen | undefined;
    absent: boolean;
    provider: TrainingProvider | undefined;
    account: string | undefined;
  },
): Promise<CleanupFacts> {
  const { ref, seen, provider } = subject;
  const id = formatRef(ref);
  const record = own.records.get(id);
  const tags = seen?.tags;
  const intentId = tags?.[TAGS.intent];
  const intent = await intentFacts(deps, own, id, intentId);
  const stream = own.byRecord.get(id) ?? (intentId === undefined ? undefined : own.byIntent.get(intentId));
  const isMachine = (thing: Seen): thing is Machine => "state" in thing && ref.kind === "machine";
  const state = seen !== undefined && isMachine(seen) ? seen.state : undefined;
  return {
    id,
    ref,
    name: seen?.name ?? record?.name ?? ref.id,
    now: deps.clock.now(),
    stateId: own.stateId,
    tags,
    state,
    absent: subject.absent,
    createdAt: seen?.createdAt,
    pricePerHour: priceOf(record, seen),
    record,
    known: record !== undefined && record.stateId === own.stateId ? "ledger" : intent.known ? "intent" : "unknown",
    driver: await driverFacts(deps, tags?.[TAGS.run], record?.runId),
    activity: await activityFacts(deps, provider, seen !== undefined && isMachine(seen) ? seen : undefined, record),
    account: { pinned: own.pins.get(ref.provider), actual: subject.account },
    protectedHere: own.protected === "unknown" ? "unknown" : own.protected.has(id),
    failedCreate: intent.failed,
    deleting: own.byRecord.get(id)?.state.tombstone !== undefined,
    endBy: stream?.state.intent?.endBy,
    neededBy: await users(deps, ref, seen),
  };
}

async function intentFacts(
  deps: CleanupDeps,
  own: OwnKnowledge,
  id: string,
  intentId: string | undefined,
): Promise<{ known: boolean; failed: boolean }> {
  if (intentId === undefined) return { known: false, failed: false };
  const stream = own.byIntent.get(intentId);
  if (stream !== undefined) {
    const { purchase, record } = stream.state;
    const givenUp = purchase === "closed" || purchase === "void" || purchase === "swept";
    return { known: true, failed: givenUp || (record !== undefined && record.id !== id) };
  }
  try {
    return (await deps.intentOf?.(intentId)) ?? { known: false, failed: false };
  } catch {
    return { known: false, failed: false };
  }
}

async function driverFacts(deps: CleanupDeps, tagged: string | undefined, recorded: string | undefined): Promise<CleanupFacts["driver"]> {
  const runId = tagged ?? recorded;
  if (runId === undefined) return { active: false, why: "It belongs to no run." };
  if (tagged !== undefined && recorded !== undefined && tagged !== recorded) {
    return { runId, active: "unknown", why: `Its tag names run ${tagged}, the ledger run ${recorded}.` };
  }
  try {
    return { runId, ...(await deps.isRunActive(runId)) };
  } catch (error) {
    return { runId, active: "unknown", why: error instanceof Error ? (error.message.split("\n")[0] ?? "") : "Its log could not be read." };
  }
}

async function activityFacts(
  deps: CleanupDeps,
  provider: TrainingProvider | undefined,
  machine: Machine | undefined,
  record: ResourceRecord | undefined,
): Promise<{ active: Doubtful; why: string }> {
  if (machine === undefined) return { active: false, why: "It is no machine that could work." };
  try {
    if (deps.activity !== undefined) return await deps.activity(machine, record);
    if (provider === undefined) return { active: "unknown", why: "Its provider is not registered here." };
    return await usageActivity(provider, machine);
  } catch (error) {
    return { active: "unknown", why: error instanceof Error ? (error.message.split("\n")[0] ?? "") : "Its activity could not be read." };
  }
}

async function users(deps: CleanupDeps, ref: ResourceRef, seen: Seen | undefined): Promise<string[]> {
  const attached = (seen as Partial<VolumeInfo> | undefined)?.attachedTo;
  const own = attached === undefined ? [] : [formatRef(attached)];
  try {
    return [...new Set([...own, ...((await deps.neededBy?.(ref)) ?? [])])];
  } catch {
    return [...own, "something that could not be read"];
  }
}

function priceOf(record: ResourceRecord | undefined, seen: Seen | undefined): CleanupFacts["pricePerHour"] {
  const burn = record === undefined ? undefined : hourlyBurn(record);
  // A thing in the ledger without an open segment burns nothing only if it has ended or stopped; else its price is not known there.
  if (
    burn?.total !== undefined &&
    (burn.total.amount > 0 || record?.segments.some((segment) => segment.to === undefined) === true || record?.state === "stopped")
  ) {
    return burn.total;
  }
  return seen?.pricePerHour;
}
