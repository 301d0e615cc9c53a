import { listPublished, manifestToRef } from "../checkpoint/published.ts";
import { publishedManifestSchema } from "../checkpoint/published-manifest.ts";
import { errorKind } from "../errors/runctl-error.ts";
import { finalSchema, type HostEvent, type HostFinal } from "../host/records.ts";
import { isoNow } from "../util/clock.ts";
import type { DriverPort } from "./driver-port.ts";
import { errorText } from "./failure.ts";
import type { RunLogEvent } from "./log-events.ts";
import { failureOf, outcomeOf } from "./outcome.ts";
import { heardKey, type RunState } from "./run-state.ts";
import { attemptKey, runUri } from "./store-keys.ts";

/** Turns the host's own events into log events. Each is recorded once, however often it is read. */
export async function recordHostEvents(driver: DriverPort, attempt: number, events: readonly HostEvent[]): Promise<void> {
  const out: RunLogEvent[] = [];
  for (const event of events) {
    switch (event.type) {
      case "checkpoint-published": {
        if (driver.state.checkpoints.some((known) => known.manifestKey === event.manifest)) break;
        const published = await readCheckpoint(driver, attempt, event.manifest);
        if (published !== undefined) out.push(published);
        break;
      }
      case "checkpoint-rejected":
        out.push({ type: "checkpoint-rejected", attempt, path: event.path, reason: event.reason });
        break;
      case "resume-rejected":
        out.push({ type: "checkpoint-rejected", attempt, path: event.manifest, reason: event.reason });
        break;
      case "notice":
        out.push({ type: "notice-received", attempt, action: event.action, until: event.until, source: event.source });
        break;
      case "progress":
        driver.progress(attempt, event);
        break;
      default:
        break;
    }
  }
  if (out.length === 0) return;
  // A new connection reads the host's events from their beginning, and another looker may have been faster.
  await driver.update((state) => out.filter((event) => !isRecorded(state, event)));
}

function isRecorded(state: RunState, event: RunLogEvent): boolean {
  if (event.type === "checkpoint-published") return state.checkpoints.some((known) => known.manifestKey === event.manifestKey);
  if (event.type !== "notice-received" && event.type !== "checkpoint-rejected") return false;
  return state.attempts.find((attempt) => attempt.number === event.attempt)?.heard.includes(heardKey(event)) === true;
}

/**
 * Ends an attempt by the host's last word: `final` as read from the host, else from the store, else there is none and the
 * machine was taken away. Checkpoints that were published and never told are found in the store first.
 */
export async function conclude(driver: DriverPort, attempt: number, told?: HostFinal | undefined, cause = "machine-gone"): Promise<void> {
  const final = told ?? (await finalFromStore(driver, attempt));
  await adoptPublished(driver, attempt);
  await driver.update((state) => {
    const record = state.attempts.find((candidate) => candidate.number === attempt);
    if (record === undefined || record.outcome !== undefined) return [];
    if (final !== undefined) {
      const outcome = outcomeOf(final);
      const script = state.spec.script ?? state.spec.command?.[0] ?? "The command";
      const error = failureOf(final, script);
      const events: RunLogEvent[] = [];
      if (record.startedAt === undefined && final.startedAt !== null) {
        const resumedFrom = state.checkpoints.find((known) => known.manifestKey === final.resumedFrom)?.ref;
        events.push({ type: "attempt-started", attempt, startedAt: final.startedAt, resumedFrom });
      }
      events.push({
        type: "attempt-ended",
        attempt,
        outcome,
        cause: final.cause,
        endedAt: final.endedAt,
        evidence: "told-by-host",
        final,
        error,
      });
      return events;
    }
    const machine = state.machines[record.machineId];
    const endedAt = machine?.endedAt ?? isoNow(driver.context.clock);
    return [
      {
        type: "attempt-ended",
        attempt,
        outcome: "interrupted",
        cause: record.notice === undefined ? cause : "notice",
        endedAt,
        evidence: "inferred",
      },
    ];
  });
}

async function finalFromStore(driver: DriverPort, attempt: number): Promise<HostFinal | undefined> {
  const uri = `${driver.state.storeUri}${attemptKey(driver.runId, attempt)}final.json`;
  try {
    const parsed = finalSchema.safeParse(JSON.parse(new TextDecoder().decode(await driver.context.store(uri).get(uri))));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (errorKind(error) === "not-found" || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function adoptPublished(driver: DriverPort, attempt: number): Promise<void> {
  if (driver.state.spec.checkpoints === false) return;
  const { storeUri } = driver.state;
  const known = new Set(driver.state.checkpoints.map((checkpoint) => checkpoint.ref.location));
  const published = await listPublished(driver.context.store(storeUri), runUri(storeUri, driver.runId));
  const missed = published.filter((checkpoint) => checkpoint.attempt === attempt && !known.has(checkpoint.location));
  if (missed.length === 0) return;
  await driver.fact(
    ...missed.map(
      (checkpoint): RunLogEvent => ({
        type: "checkpoint-published",
        attempt,
        manifestKey: checkpointKey(driver.runId, checkpoint),
        checkpoint,
      }),
    ),
  );
}

function checkpointKey(runId: string, checkpoint: { attempt: number; seq: number }): string {
  return `runs/${runId}/ckpt/${checkpoint.attempt}/${String(checkpoint.seq).padStart(6, "0")}/manifest.json`;
}

async function readCheckpoint(driver: DriverPort, attempt: number, manifestKey: string): Promise<RunLogEvent | undefined> {
  const uri = `${driver.state.storeUri}${manifestKey}`;
  try {
    const manifest = publishedManifestSchema.parse(JSON.parse(new TextDecoder().decode(await driver.context.store(uri).get(uri))));
    return { type: "checkpoint-published", attempt, manifestKey, checkpoint: manifestToRef(uri, manifest) };
  } catch (error) {
    driver.context.logger.warn?.("a published manifest cannot be read", { runId: driver.runId, manifestKey, error: errorText(error) });
    return undefined;
  }
}
