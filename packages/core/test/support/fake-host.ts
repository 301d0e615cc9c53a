import { HostUnreachableError } from "../../src/errors/kinds.ts";
import type { AttemptFile } from "../../src/host/attempt-file.ts";
import type { ControlCommand, HostClient, HostObservation } from "../../src/host/host-client.ts";
import type { AttemptCause, HostEvent, HostFinal } from "../../src/host/records.ts";
import type { HostSession } from "../../src/provider/host-session.ts";
import type { Clock } from "../../src/util/clock.ts";
import type { MemoryCloud } from "./memory-provider.ts";

const SETUP_MS = 10_000;
const SAVE_MS = 5_000;

interface Held {
  file: AttemptFile;
  begunAt: number;
  allowance: { seq: number; seconds: number | null; hardSeconds: number };
  told?: { cause: AttemptCause; at: number } | undefined;
  events: HostEvent[];
}

/** Host agents of an emulated cloud: they train, obey limits and controls, and are gone with their machine. Time decides, not timers. */
export class FakeHost implements HostClient {
  readonly #clock: Clock;
  readonly #cloud: MemoryCloud;
  readonly #held = new Map<string, Held>();
  /** How long a training takes, in milliseconds of training. */
  trainMs = 600_000;
  /** Fails the next calls of an operation. */
  readonly faults: Record<"start" | "observe" | "control", number> = { start: 0, observe: 0, control: 0 };
  /** Attempts that really trained, by "run/attempt", and on how many machines. */
  readonly starts = new Map<string, Set<string>>();

  constructor(clock: Clock, cloud: MemoryCloud) {
    this.#clock = clock;
    this.#cloud = cloud;
  }

  attempt(runId: string, attempt: number): Held | undefined {
    return this.#held.get(`${runId}/${attempt}`);
  }

  async start(_session: HostSession, file: AttemptFile): Promise<void> {
    this.#fault("start");
    const key = `${file.runId}/${file.attempt}`;
    this.starts.set(key, (this.starts.get(key) ?? new Set()).add(file.machineId));
    // Starting twice is one start.
    if (this.#held.has(key)) return;
    this.#held.set(key, { file, begunAt: this.#clock.now(), allowance: file.allowance, events: [] });
  }

  async observe(
    _session: HostSession,
    runId: string,
    attempt: number,
    options?: { eventsOffset?: number | undefined },
  ): Promise<HostObservation> {
    this.#fault("observe");
    const held = this.#held.get(`${runId}/${attempt}`);
    const nobody = { guardian: false, supervisor: false, runner: false };
    if (held === undefined) return { exists: false, alive: nobody, events: [], eventsOffset: 0 };
    this.#mustRun(held);
    const now = this.#clock.now();
    const final = finalOf(held, now, this.trainMs);
    const startedAt = held.begunAt + SETUP_MS;
    const alive = final === undefined;
    return {
      exists: true,
      alive: { guardian: alive, supervisor: alive, runner: alive },
      status: {
        seq: 1,
        phase: final !== undefined ? "done" : now < startedAt ? "inputs" : "training",
        uptime: 1,
        wall: new Date(now).toISOString(),
        bootId: "b",
        trainingSeconds: Math.max(0, now - startedAt) / 1000,
        startedAt: now < startedAt ? null : new Date(startedAt).toISOString(),
        step: null,
        logBytes: 0,
        setupLogBytes: 0,
        checkpoint: null,
        published: 0,
        uploading: null,
        resumedFrom: null,
        detail: null,
        progress: null,
        allowanceSeq: held.allowance.seq,
        pid: 1,
      },
      final,
      events: held.events.slice(options?.eventsOffset ?? 0),
      eventsOffset: held.events.length,
    };
  }

  async control(_session: HostSession, runId: string, attempt: number, command: ControlCommand): Promise<void> {
    this.#fault("control");
    const held = this.#held.get(`${runId}/${attempt}`);
    if (held === undefined) throw new HostUnreachableError({ what: "There is no such attempt here." });
    this.#mustRun(held);
    if (command.op === "stop") held.told ??= { cause: command.cause, at: this.#clock.now() };
    if (command.op === "cancel") held.told ??= { cause: "cancel", at: this.#clock.now() };
    if (command.op === "allowance" && command.seq > held.allowance.seq) held.allowance = command;
  }

  async readLog(): Promise<Uint8Array | undefined> {
    return undefined;
  }

  attemptDir(_session: HostSession, runId: string, attempt: number): string {
    return `/home/runctl/${runId}/${attempt}`;
  }

  #mustRun(held: Held): void {
    const id = held.file.machineId.split("/").at(-1) ?? "";
    if (this.#cloud.held.get(id)?.machine.state !== "running") throw new HostUnreachableError({ what: "No route to host." });
  }

  #fault(op: "start" | "observe" | "control"): void {
    if (this.faults[op] <= 0) return;
    this.faults[op] -= 1;
    throw new HostUnreachableError({ what: "Connection reset." });
  }
}

/** The earliest of: the script's end, what was told, the allowance, the hard limit. */
function finalOf(held: Held, now: number, trainMs: number): HostFinal | undefined {
  const started = held.begunAt + SETUP_MS;
  const ends: Array<{ cause: AttemptCause; at: number }> = [{ cause: "exit", at: started + trainMs }];
  if (held.told !== undefined) ends.push({ cause: held.told.cause, at: held.told.at + (held.told.cause === "cancel" ? 0 : SAVE_MS) });
  if (held.allowance.seconds !== null) ends.push({ cause: "allowance", at: held.begunAt + held.allowance.seconds * 1000 });
  const max = held.file.maxDurationSeconds;
  if (max !== null) ends.push({ cause: "max-duration", at: started + max * 1000 });
  ends.push({ cause: "guard", at: held.begunAt + held.allowance.hardSeconds * 1000 });
  const first = ends.reduce((a, b) => (b.at < a.at ? b : a));
  if (now < first.at) return undefined;
  return {
    cause: first.cause,
    code: 0,
    signal: null,
    error: null,
    startedAt: first.at < started ? null : new Date(started).toISOString(),
    endedAt: new Date(first.at).toISOString(),
    seconds: { training: Math.max(0, first.at - started) / 1000 },
    resumedFrom: null,
    published: 0,
    newestCheckpoint: null,
    outputs: [],
    lost: [],
    logBytes: 0,
    setupLogBytes: 0,
  };
}
