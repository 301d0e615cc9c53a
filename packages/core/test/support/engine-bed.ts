import type { EngineContext } from "../../src/engine/context.ts";
import { Engine } from "../../src/engine/engine.ts";
import { evolve } from "../../src/engine/evolve.ts";
import { LeaseWatch } from "../../src/engine/lease-watch.ts";
import type { RunLogEvent } from "../../src/engine/log-events.ts";
import { LookPace } from "../../src/engine/look-pace.ts";
import { ProviderPoller, ProviderPollers } from "../../src/engine/provider-poller.ts";
import { asJson, loadRun, runStream } from "../../src/engine/run-log.ts";
import type { RunState } from "../../src/engine/run-state.ts";
import { ControllerSession } from "../../src/engine/session.ts";
import { SlotGate } from "../../src/engine/slot-gate.ts";
import { spentUsd } from "../../src/engine/spent.ts";
import { NotFoundError } from "../../src/errors/kinds.ts";
import { EventBus } from "../../src/events/event-bus.ts";
import type { RunctlEvent } from "../../src/events/event-types.ts";
import type { ObjectStore } from "../../src/provider/object-store.ts";
import type { TrainingProvider } from "../../src/provider/provider.ts";
import { isPinnedAccount } from "../../src/purchase/account-pin.ts";
import { ProviderRegistry } from "../../src/registry/provider-registry.ts";
import type { ResolvedSpec } from "../../src/spec/resolved-spec.ts";
import { memoryState } from "../../src/state/memory-state.ts";
import type { StateStore } from "../../src/state/state-store.ts";
import { isoNow } from "../../src/util/clock.ts";
import { systemRandom } from "../../src/util/random.ts";
import { FakeHost } from "./fake-host.ts";
import { ManualClock } from "./manual-clock.ts";
import { MemoryCloud, memoryProvider } from "./memory-provider.ts";
import { spec } from "./run-fixtures.ts";

/** Objects in memory under "mem:". */
export function memoryStore(): ObjectStore & { objects: Map<string, Uint8Array> } {
  const objects = new Map<string, Uint8Array>();
  const info = (uri: string, bytes: Uint8Array) => ({ uri, sizeBytes: bytes.length, etag: "1", modifiedAt: "2026-01-01T00:00:00Z" });
  return {
    scheme: "mem",
    objects,
    async put(uri, body) {
      if (typeof body !== "string" && !(body instanceof Uint8Array)) throw new TypeError("no files here");
      objects.set(uri, typeof body === "string" ? new TextEncoder().encode(body) : body);
      return { etag: "1" };
    },
    async get(uri) {
      const bytes = objects.get(uri);
      if (bytes === undefined) throw new NotFoundError({ what: `No object ${uri}.` });
      return bytes;
    },
    async head(uri) {
      const bytes = objects.get(uri);
      return bytes === undefined ? undefined : info(uri, bytes);
    },
    async *list(uri) {
      for (const [key, bytes] of [...objects].sort()) if (key.startsWith(uri)) yield info(key, bytes);
    },
    async delete(uri) {
      objects.delete(uri);
    },
    async hostAccess() {
      return { kind: "file", settings: { root: "/" }, secrets: {} };
    },
  };
}

export interface Logged {
  message: string;
  fields: unknown;
}

/** An engine (a controller process) over an emulated cloud, hosts and state, on a clock that is moved by hand. */
export class EngineBed {
  readonly clock = new ManualClock();
  readonly cloud = new MemoryCloud(this.clock);
  readonly host = new FakeHost(this.clock, this.cloud);
  readonly store = memoryStore();
  readonly logged: Logged[] = [];
  state: StateStore = memoryState();
  maxRunning = 50;
  provider: TrainingProvider = memoryProvider(this.cloud);
  secrets: EngineContext["secrets"] = async () => ({ values: {}, missing: [] });
  #runs = 0;

  async engine(): Promise<Engine> {
    const { state, clock } = this;
    const stateId = await state.stateId();
    const session = new ControllerSession(state, clock, systemRandom);
    const log = (message: string, fields?: unknown): void => void this.logged.push({ message, fields });
    const logger = { debug: log, info: log, warn: log, error: log };
    const providers = new ProviderRegistry([this.provider]);
    const context: EngineContext = {
      state,
      stateId,
      clock,
      random: systemRandom,
      logger,
      providers,
      store: () => this.store,
      host: this.host,
      session,
      leases: new LeaseWatch(clock, session.id),
      pollers: new ProviderPollers((name) => {
        const provider = providers.get(name);
        return new ProviderPoller(provider, stateId, clock, () => isPinnedAccount(state, provider));
      }),
      pace: new LookPace(),
      slots: new SlotGate(this.maxRunning, 10, clock),
      bus: new EventBus<RunctlEvent>(logger),
      traceparent: () => undefined,
      secrets: (runId, resolved) => this.secrets(runId, resolved),
      projectBudget: {},
      spending: async () => ({ totalUsd: 0, todayUsd: 0, perHourUsd: 0 }),
      openRun: async (runId) => {
        const run = await loadRun(state, runId);
        if (run === undefined || run.ended !== undefined) return undefined;
        const { usd, perHour } = spentUsd(run, clock.now());
        return { spentUsd: usd, perHourUsd: perHour };
      },
    };
    return new Engine(context);
  }

  /** A run in the log, driven by `engine`. */
  async start(engine: Engine, change: Partial<ResolvedSpec> = {}): Promise<string> {
    const { session, state, clock } = engine.context;
    await session.start();
    const runId = `r${++this.#runs}`;
    const events: RunLogEvent[] = [
      {
        type: "run-created",
        v: 1,
        runId,
        stateId: engine.context.stateId,
        spec: spec(change),
        specHash: "h",
        storeUri: "mem:/",
        code: null,
        literalSecrets: [],
      },
      { type: "lease-taken", session: session.id },
    ];
    const at = isoNow(clock);
    await state.append(runStream(runId), asJson(events), { expected: 0, session: session.id, at });
    let run: RunState | undefined;
    events.forEach((event, seq) => {
      run = evolve(run, { seq, at, session: session.id, event });
    });
    if (run !== undefined) engine.adopt(run);
    return runId;
  }

  async run(runId: string): Promise<RunState> {
    const state = await loadRun(this.state, runId);
    if (state === undefined) throw new Error(`no run ${runId}`);
    return state;
  }

  async eventTypes(runId: string): Promise<string[]> {
    return (await this.state.read(runStream(runId))).map((stored) => String(stored.event.type));
  }

  /** Moves time on in steps until the run says so, for at most `hours`. */
  async until(runId: string, reached: (state: RunState) => boolean, hours = 48): Promise<RunState> {
    for (let step = 0; step < hours * 120; step++) {
      const state = await this.run(runId);
      if (reached(state)) return state;
      await this.clock.advance(30_000);
    }
    throw new Error(`run ${runId} never got there: ${(await this.eventTypes(runId)).slice(-12).join(", ")}`);
  }
}
