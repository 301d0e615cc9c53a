import type { ResourceRecord, ResourceSource } from "../cost/resource-record.ts";
import { TAGS } from "../provider/tags.ts";
import type { StateStore } from "../state/state-store.ts";
import type { JsonObject } from "../util/json.ts";
import { loadRun } from "./run-log.ts";
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

/** The machines of all runs of a state store, as the tracker and the cost reports see them. */
export function runRecords(store: StateStore, stateId: string): ResourceSource {
  return {
    async *records(options) {
      const from = options?.from === undefined ? undefined : Date.parse(options.from);
      for await (const info of store.list("run/")) {
        const ended = info.ended ? endedRunOf(info.summary) : undefined;
        if (ended !== undefined) {
          if (from === undefined || Date.parse(ended.run.endedAt ?? "") >= from) yield* ended.records;
          continue;
        }
        // A run that cannot be read is reported by reconcile and by runs.list; the rest must still add up.
        const state =
          info.corrupt === undefined ? await loadRun(store, info.stream.slice("run/".length)).catch(() => undefined) : undefined;
        if (state !== undefined) yield* recordsOf(state, stateId);
      }
    },
  };
}
