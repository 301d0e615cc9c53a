import { replayLog } from "../../src/engine/evolve.ts";
import type { RunLogEvent } from "../../src/engine/log-events.ts";
import type { RunState } from "../../src/engine/run-state.ts";
import type { HostFinal } from "../../src/host/records.ts";
import type { Intent } from "../../src/provider/intent.ts";
import type { Offer } from "../../src/provider/offer.ts";
import type { Machine } from "../../src/provider/resource.ts";
import type { ResolvedSpec } from "../../src/spec/resolved-spec.ts";

/** 2026-01-01T00:00:00Z. */
export const T0 = Date.parse("2026-01-01T00:00:00.000Z");

export function at(seconds: number): string {
  return new Date(T0 + seconds * 1000).toISOString();
}

export function spec(change: Partial<ResolvedSpec> = {}): ResolvedSpec {
  return {
    v: 1,
    script: "train.py",
    args: [],
    project: "digits",
    user: "ada",
    labels: {},
    root: "/project",
    include: [],
    exclude: [],
    env: {},
    secrets: {},
    dependencies: { kind: "auto" },
    resources: { gpus: [], nodes: 1, processesPerNode: 1 },
    providers: [],
    instanceTypes: [],
    regions: [],
    zones: [],
    share: false,
    market: "on-demand",
    fallbackAfterMs: 120_000,
    inputs: [],
    outputs: [],
    checkpoints: { dir: "checkpoints", resume: "auto", resumeArgs: [], keep: { last: 10 }, stopSignal: "SIGTERM", graceMs: 30_000 },
    container: "none",
    volumes: [],
    retries: { interruptions: null, failures: 0, capacityMs: 1_800_000 },
    metrics: [],
    allow: [],
    providerOptions: {},
    ...change,
  };
}

export const OFFER: Offer = {
  id: "cpu",
  provider: "local",
  type: "this-machine",
  accelerators: [],
  market: "on-demand",
  pricePerHour: { amount: 1, currency: "USD" },
  can: { stop: true, notice: false, endItself: false },
};

export function intent(id = "i1"): Intent {
  return { id, name: `runctl-${id}`, attempt: 1, offers: [OFFER], nodes: 1, tags: {}, boot: "", volumes: [], env: {}, endBy: at(3600) };
}

export function machine(id = "m1", change: Partial<Machine> = {}): Machine {
  return { ref: { provider: "local", kind: "machine", id }, name: id, state: "running", tags: {}, createdAt: at(1), ...change };
}

export const MACHINE_ID = "local/machine/m1";

export function final(change: Partial<HostFinal> = {}): HostFinal {
  return {
    cause: "exit",
    code: 0,
    signal: null,
    error: null,
    startedAt: at(3),
    endedAt: at(60),
    seconds: { training: 57 },
    resumedFrom: null,
    published: 0,
    newestCheckpoint: null,
    outputs: [],
    lost: [],
    logBytes: 0,
    setupLogBytes: 0,
    ...change,
  };
}

/** A log, one event a second, as a state. */
export function stateAfter(events: RunLogEvent[], specChange: Partial<ResolvedSpec> = {}): RunState {
  const created: RunLogEvent = {
    type: "run-created",
    v: 1,
    runId: "r1",
    stateId: "state",
    spec: spec(specChange),
    specHash: "h",
    storeUri: "file:///store/",
    code: null,
    literalSecrets: [],
  };
  const state = replayLog([created, ...events].map((event, seq) => ({ seq, at: at(seq), session: "s1", event })));
  if (state === undefined) throw new Error("no state");
  return state;
}

export const BOUGHT: RunLogEvent[] = [
  { type: "lease-taken", session: "s1" },
  { type: "intent-recorded", intent: intent(), offer: OFFER, allowanceUsd: null, settleMs: 0 },
  { type: "intent-created", intentId: "i1", machine: machine(), pricePerHour: { amount: 1, currency: "USD" } },
];

export function planned(attempt: number, machineId = MACHINE_ID): RunLogEvent {
  return {
    type: "attempt-planned",
    attempt,
    machineId,
    nonce: `n${attempt}`,
    resume: [],
    allowance: { seconds: null, hardSeconds: 3600 },
    maxDurationSeconds: null,
  };
}

export function started(attempt: number, second: number): RunLogEvent[] {
  return [
    { type: "attempt-armed", attempt },
    { type: "attempt-started", attempt, startedAt: at(second) },
  ];
}
