import { errorKind } from "../errors/runctl-error.ts";
import { statusSchema } from "../host/records.ts";
import type { HostSession } from "../provider/host-session.ts";
import type { EngineContext } from "./context.ts";
import type { LogPosition } from "./log-position.ts";
import { machineOf, type RunState } from "./run-state.ts";
import { attemptKey, logKey } from "./store-keys.ts";

const READ_BYTES = 1024 * 1024;

/** What there is at a position: bytes, nothing yet, or a hole whose end is known. */
export type LogRead = { kind: "bytes"; bytes: Uint8Array } | { kind: "nothing" } | { kind: "hole"; until: number };

/** Reads a run's output: from the live host where it can be reached, else from the chunks in the store. Same offsets in both. */
export class LogSource {
  readonly #context: EngineContext;
  readonly #onChange: () => void;
  readonly #chunks = new Map<string, number[]>();
  #live: { attempt: number; session: HostSession; unwatch: (() => void) | undefined } | undefined;
  #liveFailedFor = 0;

  constructor(context: EngineContext, onChange: () => void) {
    this.#context = context;
    this.#onChange = onChange;
  }

  async read(state: RunState, position: LogPosition): Promise<LogRead> {
    const attempt = state.attempts.find((candidate) => candidate.number === position.attempt);
    if (attempt === undefined) return { kind: "nothing" };
    if (attempt.outcome === undefined) {
      const live = await this.#readLive(state, position);
      if (live !== undefined) return live.length > 0 ? { kind: "bytes", bytes: live } : { kind: "nothing" };
    }
    return this.#readStored(state, position);
  }

  /** Bytes a finished log must have, as far as anybody told. */
  async expectedBytes(state: RunState, position: LogPosition): Promise<number | undefined> {
    const attempt = state.attempts.find((candidate) => candidate.number === position.attempt);
    if (position.which === "metrics.jsonl") return attempt?.final?.metricsBytes;
    if (attempt?.final !== undefined) return position.which === "log" ? attempt.final.logBytes : attempt.final.setupLogBytes;
    const uri = `${state.storeUri}${attemptKey(state.runId, position.attempt)}status.json`;
    try {
      const status = statusSchema.safeParse(JSON.parse(new TextDecoder().decode(await this.#context.store(uri).get(uri))));
      if (!status.success) return undefined;
      return position.which === "log" ? status.data.logBytes : status.data.setupLogBytes;
    } catch (error) {
      if (errorKind(error) === "not-found" || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    const live = this.#live;
    this.#live = undefined;
    live?.unwatch?.();
    await live?.session.close();
  }

  async #readLive(state: RunState, position: LogPosition): Promise<Uint8Array | undefined> {
    const { host } = this.#context;
    if (this.#live?.attempt !== position.attempt) {
      await this.close();
      if (this.#liveFailedFor === position.attempt || !(await this.#connect(state, position.attempt))) return undefined;
    }
    const live = this.#live;
    if (live === undefined) return undefined;
    try {
      live.unwatch ??= live.session.watch?.(host.attemptDir(live.session, state.runId, position.attempt), this.#onChange);
      return (
        (await host.readLog(live.session, state.runId, position.attempt, position.which, position.offset, READ_BYTES)) ?? new Uint8Array()
      );
    } catch {
      await this.close();
      return undefined;
    }
  }

  async #connect(state: RunState, number: number): Promise<boolean> {
    const attempt = state.attempts.find((candidate) => candidate.number === number);
    if (attempt === undefined) return false;
    const { machine } = machineOf(state, attempt);
    const provider = this.#context.providers.find(machine.ref.provider);
    if (provider?.connect === undefined) return false;
    try {
      this.#live = { attempt: number, session: await provider.connect(machine), unwatch: undefined };
      return true;
    } catch (error) {
      // A reader without credentials for the machine reads the store from then on; a host still booting is tried again.
      if (errorKind(error) === "permission" || errorKind(error) === "authentication") this.#liveFailedFor = number;
      return false;
    }
  }

  async #readStored(state: RunState, position: LogPosition): Promise<LogRead> {
    const prefix = `${state.storeUri}${logKey(state.runId, position.attempt, position.which)}`;
    let starts = this.#chunks.get(prefix) ?? [];
    let chunk = await this.#chunkAt(prefix, starts, position.offset);
    if (chunk === undefined) {
      starts = await this.#list(prefix, starts);
      chunk = await this.#chunkAt(prefix, starts, position.offset);
    }
    if (chunk !== undefined) return { kind: "bytes", bytes: chunk };
    const later = starts.find((start) => start > position.offset);
    return later === undefined ? { kind: "nothing" } : { kind: "hole", until: later };
  }

  async #list(prefix: string, known: number[]): Promise<number[]> {
    const starts = [...known];
    const last = known.at(-1);
    const after = last === undefined ? undefined : `${prefix}${chunkName(last)}`;
    for await (const object of this.#context.store(prefix).list(prefix, { after })) {
      const start = Number(object.uri.slice(prefix.length));
      if (Number.isSafeInteger(start)) starts.push(start);
    }
    this.#chunks.set(prefix, starts);
    return starts;
  }

  async #chunkAt(prefix: string, starts: number[], offset: number): Promise<Uint8Array | undefined> {
    const start = lastAtMost(starts, offset);
    if (start === undefined) return undefined;
    const bytes = await this.#context.store(prefix).get(`${prefix}${chunkName(start)}`);
    return offset < start + bytes.length ? bytes.subarray(offset - start) : undefined;
  }
}

function chunkName(start: number): string {
  return String(start).padStart(16, "0");
}

function lastAtMost(starts: number[], offset: number): number | undefined {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((starts[middle] as number) <= offset) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? undefined : starts[low - 1];
}
