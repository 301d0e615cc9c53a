import { costOf } from "../cost/cost-of.ts";
import { encodeCursor } from "../events/cursor.ts";
import type { RunctlEvent } from "../events/event-types.ts";
import type { LoggedEvent } from "./log-events.ts";
import { runStream } from "./run-log.ts";
import type { RunState } from "./run-state.ts";
import { segmentsOf } from "./spent.ts";
import { statusOf } from "./status.ts";

type Body = RunctlEvent extends infer E ? (E extends unknown ? Omit<E, "v" | "cursor" | "at" | "runId"> : never) : never;

/**
 * The public events that one log event means. Pure, so that a replay from the log and the live stream say the same, with the same
 * cursors. `index` in a cursor tells apart several public events of one log event.
 */
export function projectEvents(before: RunState | undefined, after: RunState, logged: LoggedEvent): RunctlEvent[] {
  const bodies: Body[] = [...detail(after, logged)];
  const status = statusOf(after);
  const previous = before === undefined ? undefined : statusOf(before);
  if (status !== previous) {
    const reason = after.ended?.error?.what;
    const change: Body = {
      type: "run-status",
      status,
      ...(previous === undefined ? {} : { previous }),
      ...(reason === undefined ? {} : { reason }),
    };
    // The status comes before what follows from it, but an end is the last word.
    if (after.ended === undefined) bodies.unshift(change);
    else bodies.push(change);
  }
  return bodies.map((body, index) => ({
    v: 1,
    cursor: encodeCursor({ stream: runStream(after.runId), seq: logged.seq, index }),
    at: logged.at,
    runId: after.runId,
    ...body,
  })) as RunctlEvent[];
}

function detail(state: RunState, { event }: LoggedEvent): Body[] {
  switch (event.type) {
    case "intent-created":
    case "machine-used":
      return [
        {
          type: "machine-created",
          machine: event.machine,
          ...(event.pricePerHour === undefined ? {} : { pricePerHour: event.pricePerHour }),
        },
      ];
    case "attempt-started": {
      const attempt = state.attempts.find((candidate) => candidate.number === event.attempt);
      const machine = attempt === undefined ? undefined : state.machines[attempt.machineId];
      return [
        {
          type: "attempt-started",
          attempt: event.attempt,
          machineId: attempt?.machineId ?? "",
          provider: machine?.machine.ref.provider ?? "",
          market: machine?.machine.market ?? "on-demand",
          ...(event.resumedFrom === undefined ? {} : { resumedFrom: event.resumedFrom }),
        },
      ];
    }
    case "attempt-ended": {
      const ended: Body = {
        type: "attempt-ended",
        attempt: event.attempt,
        outcome: event.outcome,
        cause: event.cause,
        ...(event.final?.code == null ? {} : { exitCode: event.final.code }),
        ...(event.final?.signal == null ? {} : { signal: event.final.signal }),
      };
      const bodies: Body[] = [];
      if (event.outcome === "interrupted" || event.outcome === "lost") {
        const newest = state.checkpoints.at(-1)?.ref;
        bodies.push({
          type: "attempt-interrupted",
          attempt: event.attempt,
          cause: event.cause,
          ...(newest === undefined ? {} : { newestCheckpoint: newest }),
        });
      }
      bodies.push(ended);
      if (event.final !== undefined && event.final.lost.length > 0)
        bodies.push({ type: "work-lost", attempt: event.attempt, what: event.final.lost });
      return bodies;
    }
    case "checkpoint-published":
      return [{ type: "checkpoint-published", attempt: event.attempt, checkpoint: event.checkpoint }];
    case "checkpoint-rejected":
      return [{ type: "checkpoint-rejected", attempt: event.attempt, path: event.path, reason: event.reason }];
    case "notice-received":
      return [
        {
          type: "notice-received",
          attempt: event.attempt,
          action: event.action,
          source: event.source,
          ...(event.until === null ? {} : { endsAt: event.until }),
        },
      ];
    case "machine-ended": {
      const machine = state.machines[event.machineId];
      const cost = machine === undefined ? undefined : costOf(segmentsOf(machine), { now: Date.parse(event.endedAt) }).total;
      return [{ type: "machine-ended", machineId: event.machineId, evidence: event.evidence, ...(cost === undefined ? {} : { cost }) }];
    }
    case "fallback":
      return [
        {
          type: "fallback",
          from: event.from,
          to: event.to,
          reason: event.reason,
          ...(event.fromPricePerHour === undefined ? {} : { fromPricePerHour: event.fromPricePerHour }),
          ...(event.toPricePerHour === undefined ? {} : { toPricePerHour: event.toPricePerHour }),
        },
      ];
    case "budget-warning":
      return [{ type: "budget-warning", fraction: event.fraction, spent: usd(event.spentUsd), budget: usd(event.budgetUsd) }];
    case "cost-threshold":
      return [{ type: "cost-threshold", threshold: event.threshold, limit: usd(event.limitUsd), actual: usd(event.actualUsd) }];
    case "alarm":
      return [{ type: "alarm", id: event.id, what: event.what, why: event.why, fix: event.fix }];
    default:
      return [];
  }
}

function usd(amount: number): { amount: number; currency: string } {
  return { amount, currency: "USD" };
}
