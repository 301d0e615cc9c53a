import type { PriceSegment } from "../cost/resource-record.ts";
import { effectiveSegments } from "../cost/segments.ts";
import type { AttemptRecord, MachineRecord, RunState } from "./run-state.ts";

/** Training time of one attempt in milliseconds: the host's own count where it told one, else wall time between its events. */
export function trainedMs(attempt: AttemptRecord, now?: number): number {
  const told = attempt.final?.seconds.training;
  if (told !== undefined) return told * 1000;
  if (attempt.startedAt === undefined) return 0;
  const end = attempt.endedAt === undefined ? now : Date.parse(attempt.endedAt);
  return end === undefined ? 0 : Math.max(0, end - Date.parse(attempt.startedAt));
}

/** The billed stretches of a machine: from its creation, without the time it was stopped (storage while stopped is the provider's to tell). */
export function segmentsOf(machine: MachineRecord): PriceSegment[] {
  const segments: PriceSegment[] = [];
  let from: string | undefined = machine.createdAt;
  for (const span of machine.stopped) {
    // A listing shows that it is stopped, not since when: up to a poll and the time of stopping too long, until a bill says it.
    if (from !== undefined) segments.push({ ...segment(machine, from, span.from), evidence: "inferred" });
    from = span.to;
  }
  // A machine that ended while stopped has no open stretch.
  if (from !== undefined && machine.owned) segments.push(segment(machine, from, machine.endedAt));
  return [...segments, ...(machine.bills ?? [])];
}

function segment(machine: MachineRecord, from: string, to: string | undefined): PriceSegment {
  return {
    from,
    ...(to === undefined ? {} : { to }),
    what: "compute",
    pricePerHour: machine.pricePerHour,
    evidence: to === undefined ? "observed" : (machine.endEvidence ?? "observed"),
  };
}

/** What the run's machines cost so far, in its budget's currency, as an upper figure: unknown prices make it incomplete, not smaller. */
export function spentUsd(state: RunState, now: number): { usd: number; complete: boolean; perHour: number } {
  let micros = 0;
  let perHour = 0;
  let complete = true;
  for (const machine of Object.values(state.machines)) {
    for (const part of effectiveSegments(segmentsOf(machine), now)) {
      if (part.pricePerHour === undefined) {
        complete = false;
        continue;
      }
      const end = part.to === undefined ? now : Date.parse(part.to);
      micros += Math.round((Math.max(0, end - Date.parse(part.from)) / 3_600_000) * part.pricePerHour.amount * 1e6);
      if (part.to === undefined) perHour += part.pricePerHour.amount;
    }
  }
  return { usd: micros / 1e6, complete, perHour };
}

/** As `spentUsd`, but what no bill covers yet counts at the highest price it can have had: for limits that must hold whatever the market did. */
export function spentAtMostUsd(state: RunState, now: number): number {
  const machines = Object.values(state.machines).map((machine): [string, MachineRecord] => {
    const most = highestPrice(state, machine);
    return [machine.id, most === undefined ? machine : { ...machine, pricePerHour: most }];
  });
  return spentUsd({ ...state, machines: Object.fromEntries(machines) }, now).usd;
}

/** True for an ended machine whose price may have moved while it ran, until its bill says what it cost. */
export function awaitsBill(state: RunState): boolean {
  return Object.values(state.machines).some(
    (machine) =>
      machine.owned && machine.endedAt !== undefined && machine.bills === undefined && highestPrice(state, machine) !== undefined,
  );
}

/** Undefined where the price cannot rise. */
function highestPrice(state: RunState, machine: MachineRecord): MachineRecord["pricePerHour"] {
  const offer = machine.intentId === undefined ? undefined : state.intents[machine.intentId]?.offer;
  const most = offer?.maxPricePerHour;
  return most !== undefined && most.amount > (machine.pricePerHour?.amount ?? 0) ? most : undefined;
}
