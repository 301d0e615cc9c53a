import { memoryStore } from "@runctl/core";
import type { Clock, HostSession, Intent, ObjectStore, Timer } from "@runctl/core/provider";
import {
  type AttemptFile,
  type ControlCommand,
  HOST_CLIENT,
  type HostClient,
  type HostFinal,
  type HostObservation,
} from "@runctl/core/seams";
import type { Job } from "./job-model.ts";
import { type SimulatedHost, type SimulatedHosts, simulatedHost } from "./simulated-host.ts";

interface Entry {
  due: number;
  order: number;
  fn: () => void;
}

/** A clock that moves when told to, and counts what it fires. */
export class HandClock implements Clock {
  #wall = Date.UTC(2026, 0, 1);
  #mono = 5_000;
  #order = 0;
  fired = 0;
  readonly #timers = new Set<Entry>();

  now(): number {
    return this.#wall;
  }
  monotonic(): number {
    return this.#mono;
  }
  timer(delayMs: number, fn: () => void): Timer {
    const entry = { due: this.#mono + Math.max(0, delayMs), order: this.#order++, fn };
    this.#timers.add(entry);
    return { cancel: () => void this.#timers.delete(entry) };
  }
  get pending(): number {
    return this.#timers.size;
  }
  /** Fires what is due within `seconds`, letting promises settle after each. */
  async pass(seconds: number): Promise<void> {
    const end = this.#mono + seconds * 1000;
    await settle();
    for (;;) {
      const next = [...this.#timers].filter((entry) => entry.due <= end).sort((a, b) => a.due - b.due || a.order - b.order)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#move(next.due);
      this.fired += 1;
      next.fn();
      await settle();
    }
    this.#move(end);
  }
  #move(to: number): void {
    const ms = Math.max(0, to - this.#mono);
    this.#wall += ms;
    this.#mono += ms;
  }
}

/** Lets everything that is ready run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Machines of one world around simulated hosts, without a cloud. */
export class HostBed {
  readonly clock = new HandClock();
  readonly objects: ObjectStore;
  readonly hosts: SimulatedHosts;
  readonly offline = new Set<string>();
  /** What machines did to themselves. */
  readonly ended: string[] = [];
  /** The cloud's API refuses. */
  apiIsCut = false;

  constructor(job: Job, options: { store?: ((inner: ObjectStore) => ObjectStore) | undefined; guardianAtBoot?: boolean } = {}) {
    const inner = memoryStore({ clock: this.clock });
    this.objects = options.store?.(inner) ?? inner;
    this.hosts = simulatedHost(job, { clock: this.clock, store: this.objects, guardianAtBoot: options.guardianAtBoot });
  }

  /** A machine that is on. */
  machine(id: string): SimulatedHost {
    const host = this.hosts({
      id,
      intent: { boot: "" } as Intent,
      zone: "zone-a",
      powerOff: () => {
        this.ended.push(`${id} off`);
        host.halt("gone");
      },
      endItself: async () => {
        if (this.apiIsCut || this.offline.has(id)) throw new Error("no route to host");
        this.ended.push(`${id} ended itself`);
        host.halt("gone");
      },
      isOnline: () => !this.offline.has(id),
    });
    host.boot();
    return host;
  }

  attempt(machineId: string, change: Partial<AttemptFile> = {}): AttemptFile {
    const attempt = change.attempt ?? 1;
    return {
      v: 1,
      runId: "run1",
      attempt,
      nonce: `nonce-${attempt}-${machineId}`,
      machineId: `emulated/zone-a/${machineId}`,
      stateId: "state1",
      stores: [{ prefix: "", access: { kind: "command", command: "world", settings: { uri: "memory://world/" } } }],
      runPrefix: `runs/${change.runId ?? "run1"}/`,
      code: null,
      argv: ["python3", "train.py"],
      env: {},
      secretNames: [],
      dependencies: { kind: "none" },
      script: "train.py",
      inputs: [],
      outputs: [],
      checkpoints: {
        dir: "checkpoints",
        store: 0,
        prefix: `runs/${change.runId ?? "run1"}/ckpt/`,
        resume: { mode: "auto", manifests: [] },
        resumeArgs: [],
        stopSignal: "SIGTERM",
        graceSeconds: 30,
        suggestedSaveSeconds: null,
        metricPatterns: [],
      },
      stop: { signal: "SIGTERM", graceSeconds: 30 },
      allowance: { seq: 1, seconds: null, hardSeconds: 100_000 },
      deadlineAt: null,
      maxDurationSeconds: null,
      guard: { feedSeconds: 900, firstFeedSeconds: 2700 },
      hooks: { notice: "print the notice", noticeBuiltin: null, stop: null, terminate: "poweroff" },
      endPolicy: { action: "none", afterSeconds: 0 },
      exclusive: true,
      distributed: null,
      container: null,
      traceparent: null,
      ...change,
    };
  }

  async start(host: SimulatedHost, file: AttemptFile): Promise<HostSession> {
    const session = await host.connect();
    await clientOf(session).start(session, file, { env: {}, stores: {} });
    await settle();
    return session;
  }

  observe(session: HostSession, file: AttemptFile, eventsOffset = 0): Promise<HostObservation> {
    return clientOf(session).observe(session, file.runId, file.attempt, { eventsOffset });
  }

  async control(session: HostSession, file: AttemptFile, command: ControlCommand): Promise<void> {
    await clientOf(session).control(session, file.runId, file.attempt, command);
    await settle();
  }

  /** The final record as the host tells it. */
  async final(session: HostSession, file: AttemptFile): Promise<HostFinal> {
    const { final } = await this.observe(session, file);
    if (final === undefined) throw new Error(`attempt ${file.attempt} has not ended`);
    return final;
  }

  async keys(prefix = ""): Promise<string[]> {
    const keys: string[] = [];
    for await (const object of this.objects.list(`memory://world/${prefix}`)) keys.push(object.uri.slice("memory://world/".length));
    return keys;
  }

  async json<T = Record<string, unknown>>(key: string): Promise<T> {
    return JSON.parse(new TextDecoder().decode(await this.objects.get(`memory://world/${key}`))) as T;
  }
}

export function clientOf(session: HostSession): HostClient {
  const client = (session as { [HOST_CLIENT]?: HostClient })[HOST_CLIENT];
  if (client === undefined) throw new Error("the session of a real host");
  return client;
}
