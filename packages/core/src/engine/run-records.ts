import type { ResourceRecord } from "../cost/resource-record.ts";
import { TAGS } from "../provider/tags.ts";
import type { JsonObject } from "../util/json.ts";
import type { MachineRecord, RunState } from "./run-state.ts";
import type { RunSummary } from "./run-types.ts";
import { segmentsOf } from "./spent.ts";
import { marketOf, summaryOf } from "./summary.ts";

/** What stays at hand of a run that is over: its row and its ledger, so that lists and reports need not read its log. */
export interface EndedRun {
  v: 1;
  run: RunSummary;
  records: ResourceRecord[];
}

export function asEndedSummary(state: RunState, stateId: string, now: number): JsonObject {
  const ended: EndedRun = { v: 1, run: summaryOf(state, { now, driver: undefined }), records: recordsOf(state, stateId) };
  return JSON.parse(JSON.stringify(ended)) as JsonObject;
}

/** A stream's summary as an ended run; undefined for anything else. */
export function endedRunOf(summary: JsonObject | undefined): EndedRun | undefined {
  return summary?.v === 1 ? (summary as unknown as EndedRun) : undefined;
}

/** The ledger of one run. */
export function recordsOf(state: RunState, stateId: string): ResourceRecord[] {
  return Object.values(state.machines).map((machine) => recordOf(state, machine, stateId));
}

function recordOf(state: RunState, machine: MachineRecord, stateId: string): ResourceRecord {
  const { ref, name, tags, type, zone } = machine.machine;
  const attempt = state.attempts.findLast((candidate) => candidate.machineId === machine.id)?.number;
  return {
    id: machine.id,
    ref,
    name,
    state: machine.endedAt === undefined ? machine.state : "ended",
    stateId,
    project: state.spec.project,
    user: state.spec.user,
    runId: state.runId,
    ...(attempt === undefined ? {} : { attempt }),
    tags: { ...tags, [TAGS.run]: state.runId },
    ...(type === undefined ? {} : { type }),
    market: marketOf(state, machine.id) ?? "on-demand",
    ...(ref.region === undefined ? {} : { region: ref.region }),
    ...(zone === undefined ? {} : { zone }),
    createdAt: machine.createdAt,
    ...(machine.endedAt === undefined ? {} : { endedAt: machine.endedAt }),
    segments: segmentsOf(machine),
  };
}
