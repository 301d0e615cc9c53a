import { type StoredEvent, ValidationError } from "@runctl/core";
import type { RunLogEvent } from "@runctl/core/seams";
import { describe, expect, it } from "vitest";
import { recordedRun } from "./recorded-run.ts";

const T0 = Date.parse("2026-01-01T00:00:00.000Z");
const iso = (seconds: number): string => new Date(T0 + seconds * 1000).toISOString();

function log(...events: Array<[seconds: number, event: RunLogEvent]>): StoredEvent[] {
  return events.map(([seconds, event], seq) => ({ seq, at: iso(seconds), session: "s", event: event as unknown as StoredEvent["event"] }));
}

const SPEC = { v: 1, market: "spot", checkpoints: { dir: "c" }, retries: {}, outputs: [], labels: {} };
const CREATED = {
  type: "run-created",
  v: 1,
  runId: "r",
  stateId: "s",
  spec: SPEC,
  specHash: "",
  storeUri: "mem:/",
  code: null,
  literalSecrets: [],
};
const offer = (market: string, amount: number) => ({
  id: `m5-${market}`,
  provider: "cloud",
  type: "m5",
  accelerators: [],
  market,
  pricePerHour: { amount, currency: "USD" },
  can: { stop: true, notice: true, endItself: true },
});
const asEvent = (event: object): RunLogEvent => event as RunLogEvent;

function bought(id: string, askedAt: number, createdAt: number, price = 0.36): Array<[number, RunLogEvent]> {
  const machine = { ref: { provider: "cloud", kind: "machine", id }, name: id, state: "pending", tags: {}, createdAt: iso(createdAt) };
  return [
    [
      askedAt,
      asEvent({ type: "intent-recorded", intent: { id: `i-${id}` }, offer: offer("spot", price), allowanceUsd: null, settleMs: 0 }),
    ],
    [createdAt, asEvent({ type: "intent-created", intentId: `i-${id}`, machine, pricePerHour: { amount: price, currency: "USD" } })],
  ];
}

function began(attempt: number, machine: string, planned: number, started: number, resumedFrom?: object): Array<[number, RunLogEvent]> {
  const limits = { allowance: { seconds: null, hardSeconds: 1 }, maxDurationSeconds: null };
  return [
    [planned, asEvent({ type: "attempt-planned", attempt, machineId: `cloud/machine/${machine}`, nonce: "n", resume: [], ...limits })],
    [planned + 5, asEvent({ type: "attempt-armed", attempt })],
    [started + 1, asEvent({ type: "attempt-started", attempt, startedAt: iso(started), resumedFrom })],
  ];
}

const checkpoint = (attempt: number, seq: number, at: number) => ({
  path: "p",
  location: "l",
  attempt,
  seq,
  sizeBytes: 7,
  sha256: "",
  grade: "sealed",
  format: "unknown",
  publishedAt: iso(at),
});
const published = (attempt: number, seq: number, at: number): [number, RunLogEvent] => [
  at + 1,
  asEvent({ type: "checkpoint-published", attempt, manifestKey: `${attempt}/${seq}`, checkpoint: checkpoint(attempt, seq, at) }),
];

const INTERRUPTED = log(
  [0, asEvent(CREATED)],
  ...bought("m1", 1, 3),
  ...began(1, "m1", 60, 100),
  published(1, 1, 400),
  [900, asEvent({ type: "notice-received", attempt: 1, action: "terminate", until: iso(1020), source: "imds" })],
  [1030, asEvent({ type: "attempt-ended", attempt: 1, outcome: "interrupted", cause: "notice", endedAt: iso(1000), evidence: "inferred" })],
  [1040, asEvent({ type: "machine-ended", machineId: "cloud/machine/m1", endedAt: iso(1020), evidence: "observed" })],
  ...bought("m2", 1050, 1053),
  ...began(2, "m2", 1110, 1150, checkpoint(1, 1, 400)),
  [1800, asEvent({ type: "attempt-ended", attempt: 2, outcome: "succeeded", cause: "exit", endedAt: iso(1750), evidence: "told-by-host" })],
  [1810, asEvent({ type: "machine-ended", machineId: "cloud/machine/m2", endedAt: iso(1805), evidence: "observed" })],
  [1811, asEvent({ type: "run-ended", status: "succeeded" })],
);

describe("a run's log as what happened", () => {
  it("tells machines, prices, interruptions, start-up, training and what of it was repeated", () => {
    const run = recordedRun(INTERRUPTED);
    expect(run).toMatchObject({
      status: "succeeded",
      durationMs: 1_811_000,
      trainingMs: 1_500_000,
      repeatedMs: 600_000,
      usefulMs: 900_000,
    });
    // 1,017 s and 752 s of a machine at 0.36/h.
    expect(run.cost).toEqual({ amount: 0.1769, currency: "USD" });
    expect(run.machines.map(({ market, askedAtMs, createdAtMs, endedAtMs }) => [market, askedAtMs, createdAtMs, endedAtMs])).toEqual([
      ["spot", 1_000, 3_000, 1_020_000],
      ["spot", 1_050_000, 1_053_000, 1_805_000],
    ]);
    expect(run.machines.map((machine) => machine.reclaimed)).toEqual([
      { atMs: 1_020_000, noticeAtMs: 900_000, action: "terminate" },
      undefined,
    ]);
    expect(run.attempts.map(({ baseMs, trainedMs }) => [baseMs, trainedMs])).toEqual([
      [0, 900_000],
      [300_000, 600_000],
    ]);
    expect(run.attempts[0]?.checkpoints).toMatchObject([{ progressMs: 300_000, sizeBytes: 7 }]);
  });

  it("says nothing of a cost while a price is unknown, and of a run that goes on only what is known", () => {
    const priceless = INTERRUPTED.slice(0, 6).map(({ event: { pricePerHour: _, ...event }, ...stored }) => ({ ...stored, event }));
    const run = recordedRun(priceless);
    expect(run.status).toBeUndefined();
    expect(run.cost).toBeUndefined();
    expect(run.usefulMs).toBeGreaterThan(0);
  });

  it("refuses what is not a run's log", () => {
    expect(() => recordedRun([])).toThrow(ValidationError);
    expect(() => recordedRun(INTERRUPTED.slice(1))).toThrow(/not the log of a run/);
  });
});
