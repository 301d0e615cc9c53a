import { NotFoundError } from "../errors/kinds.ts";
import { invalidValue } from "../spec/invalid.ts";
import type { StateStore, StoredEvent } from "../state/state-store.ts";
import { isStreamId } from "../state/stream-name.ts";
import type { JsonObject } from "../util/json.ts";
import { evolve } from "./evolve.ts";
import type { LoggedEvent, RunLogEvent } from "./log-events.ts";
import type { RunState } from "./run-state.ts";

/** The stream that holds a run's log. */
export function runStream(runId: string): string {
  return `run/${runId}`;
}

/** Stored JSON as a log event. Written by ourselves only, and checked by checksum: its shape is trusted here. */
export function asLogged(stored: StoredEvent): LoggedEvent {
  return { seq: stored.seq, at: stored.at, session: stored.session, event: stored.event as unknown as RunLogEvent };
}

/** Log events as JSON for the store: undefined members fall away, so that what is read back equals what was written. */
export function asJson(events: readonly RunLogEvent[]): JsonObject[] {
  return JSON.parse(JSON.stringify(events)) as JsonObject[];
}

/** A run's state by its log; undefined when there is no such run. @throws ValidationError for what cannot be an id */
export async function loadRun(store: StateStore, runId: string): Promise<RunState | undefined> {
  if (typeof runId !== "string" || !isStreamId(runId)) {
    throw invalidValue({
      field: "runId",
      value: runId,
      expected: "a run id, 1 to 64 of a-z, 0-9 and -",
      example: '"k7m2dq4hz9tw3xrc"',
      fix: ["Pass `run.id`, or an id of `runctl.runs.list()`, as it is."],
    });
  }
  let state: RunState | undefined;
  for (const stored of await store.read(runStream(runId))) state = evolve(state, asLogged(stored));
  return state;
}

/** As loadRun. @throws NotFoundError naming the run. */
export async function requireRun(store: StateStore, runId: string): Promise<RunState> {
  const state = await loadRun(store, runId);
  if (state !== undefined) return state;
  throw new NotFoundError({
    what: `There is no run ${JSON.stringify(runId)} in this state store.`,
    why: "Runs are kept in the state store they were started with.",
    fix: ["List what is there with `runctl.runs.list()`.", "Open the same state folder (and project root) as the process that started it."],
    context: { runId },
  });
}
