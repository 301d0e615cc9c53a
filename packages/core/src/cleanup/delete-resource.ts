import type { ResourceRecord } from "../cost/resource-record.ts";
import { NotFoundError } from "../errors/kinds.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import { formatRef, type ResourceRef } from "../provider/resource.ts";
import { asMachine } from "../tracker/refresh-costs.ts";
import type { ResourceEvent } from "../tracker/resource-events.ts";
import type { LoadedResource } from "../tracker/resource-log.ts";
import { ResourceLog } from "../tracker/resource-log.ts";
import { type Clock, isoNow } from "../util/clock.ts";
import { sleep } from "../util/sleep.ts";
import { within } from "../util/within.ts";

/** One deletion. */
export interface DeletionRequest {
  provider: TrainingProvider;
  ref: ResourceRef;
  why: string;
  /** Ledger record, made up from what the provider says where only an intent knew of it. */
  record: ResourceRecord;
  /** The own stream that leads the record, where there is one. */
  stream?: LoadedResource | undefined;
  confirmWithinMs: number;
  /** It was not listed, so its protection cannot be read: look whether it is gone, ask nothing. */
  onlyConfirm?: boolean | undefined;
}

const BILL_LIMIT_MS = 10_000;
/** An unfinished deletion asks again after this long, in case the first request was lost on the way. */
const ASK_AGAIN_MS = 60_000;

/**
 * Tombstone, call, confirm absence twice, forget; in this order, so that a crash at any point leaves a record that the next
 * pass finishes. "gone" only after two complete listings in a row lacked it or called it ended (h). An error never forgets.
 * Resolves "pending" when the time is up: the record stays "ending" and goes on costing (P-05).
 */
export async function deleteResource(
  log: ResourceLog,
  clock: Clock,
  request: DeletionRequest,
): Promise<{ gone: true; at: string } | { gone: false; why: string }> {
  const stream = request.stream?.stream ?? ResourceLog.streamOf(request.record.id);
  if (request.stream?.ended !== true && request.onlyConfirm !== true) await tombstone(log, clock, stream, request);
  const begun = clock.monotonic();
  const poll = Math.max(1_000, Math.min(request.provider.capabilities.pollMs ?? 10_000, 60_000));
  let asked = Number.NEGATIVE_INFINITY;
  let absences = 0;
  let endedAt: string | undefined;
  let wasAlive = false;
  let why = "The provider still lists it.";
  for (;;) {
    if (request.onlyConfirm !== true && clock.monotonic() - asked >= ASK_AGAIN_MS && absences === 0) {
      const refusal = await ask(request);
      // A refused call is asked again at the next poll; an accepted one gets its minute.
      if (refusal === undefined) asked = clock.monotonic();
      else why = refusal;
    }
    const seen = await look(request);
    const sight = typeof seen === "object" && "endedAt" in seen ? "absent" : seen;
    if (typeof seen === "object" && "endedAt" in seen) endedAt = seen.endedAt;
    if (sight === "alive" || sight === "ending") wasAlive = true;
    if (sight === "alive" && request.onlyConfirm === true) return { gone: false, why: "The provider lists it again." };
    if (sight === "alive") {
      // Said yes and does nothing: a machine that is not even ending is asked again at once (P-06).
      if (absences === 0 && asked !== Number.NEGATIVE_INFINITY) why = "The provider accepted the deletion but still lists it as alive.";
      asked = Number.NEGATIVE_INFINITY;
      absences = 0;
    } else if (sight === "ending") absences = 0;
    else if (sight === "absent") absences++;
    else why = sight.unknown;
    if (absences >= 2) {
      const at = endedAt ?? isoNow(clock);
      await bill(log, clock, stream, request, at);
      await forget(log, stream, request, at, endedAt !== undefined || wasAlive);
      return { gone: true, at };
    }
    if (clock.monotonic() - begun >= request.confirmWithinMs) return { gone: false, why };
    await sleep(clock, poll);
  }
}

async function tombstone(log: ResourceLog, clock: Clock, stream: string, request: DeletionRequest): Promise<void> {
  await log.update(stream, (loaded) => {
    if (loaded.state.tombstone !== undefined) return [];
    const mark = { type: "tombstone" as const, at: isoNow(clock), why: request.why };
    return loaded.state.record === undefined ? [mirrorOf(request.record), mark] : [mark];
  });
}

/** Only the deletion is kept here for a run's machine: its segments stay in the run's log. */
function mirrorOf(record: ResourceRecord): ResourceEvent {
  return { type: "registered", record: { ...record, segments: [] }, mirror: true };
}

/** The provider's own record, while it still has one: minimum billing and rounding are not seen from outside. Not having it holds nothing up. */
async function bill(log: ResourceLog, clock: Clock, stream: string, request: DeletionRequest, endedAt: string): Promise<void> {
  const { provider, ref, record } = request;
  if (request.stream?.ended === true || ref.kind !== "machine") return;
  try {
    const machine = { ...asMachine(record), state: "ended" as const, endedAt };
    const asked = provider.costs(machine, record.createdAt, isoNow(clock));
    const billed = (await within(clock, BILL_LIMIT_MS, `${provider.name}.costs`, asked)).filter(
      (interval) => interval.evidence === "billed",
    );
    if (billed.length > 0) await log.update(stream, () => [{ type: "billed", segments: billed }]);
  } catch {
    // What was seen stands.
  }
}

async function forget(log: ResourceLog, stream: string, request: DeletionRequest, at: string, wasSeen: boolean): Promise<void> {
  if (request.stream?.ended === true) return;
  // Not listed any more: that it ended is certain, when it did is not.
  const gone = { type: "gone" as const, at, evidence: wasSeen ? ("observed" as const) : ("inferred" as const) };
  await log.update(stream, (loaded) => {
    if (loaded.state.record === undefined) return [mirrorOf(request.record), gone];
    return loaded.state.record.state === "ended" ? [] : [gone];
  });
  await log.end(stream);
}

/** undefined: accepted. */
async function ask({ provider, ref }: DeletionRequest): Promise<string | undefined> {
  try {
    await (ref.kind === "machine" ? provider.terminate(ref) : provider.remove(ref));
    return undefined;
  } catch (error) {
    if (NotFoundError.isInstance(error)) return undefined;
    return `The provider refused or did not answer: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : "no reason given"}`;
  }
}

async function look({
  provider,
  ref,
}: DeletionRequest): Promise<"alive" | "ending" | "absent" | { unknown: string } | { endedAt: string }> {
  try {
    const found = await provider.find({ ids: [ref.id], kinds: [ref.kind], includeForeign: true });
    const id = formatRef(ref);
    const machine = found.machines.find((one) => formatRef(one.ref) === id);
    if (machine?.state === "ended" && machine.endedAt !== undefined) return { endedAt: machine.endedAt };
    if (machine !== undefined) return machine.state === "ended" ? "absent" : machine.state === "ending" ? "ending" : "alive";
    if (found.others.some((one) => formatRef(one.ref) === id)) return "alive";
    return found.complete ? "absent" : { unknown: "The provider's listing is incomplete." };
  } catch (error) {
    return {
      unknown: `The provider could not be asked: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : "no reason given"}`,
    };
  }
}
