import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunEvent } from "../events/event-types.ts";
import type { MetricPoint } from "../metrics/metric-types.ts";
import { parseDuration } from "../spec/units.ts";
import { downloadTree } from "../storage/transfer/download-tree.ts";
import type { Engine } from "./engine.ts";
import { checkDownload, checkReason } from "./handle-arguments.ts";
import { readLogs, tailOf } from "./log-reader.ts";
import { resultOf } from "./result.ts";
import { readRunEvents } from "./run-events.ts";
import { collectMetrics, progressOf } from "./run-metrics.ts";
import type { RunState } from "./run-state.ts";
import type { LogLine, Run, RunResult, RunSummary } from "./run-types.ts";
import { runKey } from "./store-keys.ts";
import { summaryOf } from "./summary.ts";

const TAIL_LINES = 50;

/** A handle on a run. Everything it answers comes from the run's log and store, so it is the same in every process. */
export class RunHandle implements Run {
  readonly id: string;
  readonly #engine: Engine;

  constructor(engine: Engine, id: string) {
    this.#engine = engine;
    this.id = id;
  }

  async status(): Promise<RunSummary> {
    const { context } = this.#engine;
    const state = await this.#engine.view(this.id).refresh();
    const alive = state.lease !== undefined && context.leases.judge(state.lease, await context.state.beats()) !== "free";
    const summary = summaryOf(state, { now: context.clock.now(), driver: alive ? state.lease : undefined });
    const progress = state.ended === undefined ? await progressOf(this.#engine, this.id) : undefined;
    return progress?.fraction === undefined ? summary : { ...summary, progress: progress.fraction };
  }

  events(options: { after?: string | undefined; signal?: AbortSignal | undefined } = {}): AsyncIterable<RunEvent> {
    return readRunEvents(this.#engine.context, this.#engine.view(this.id), this.id, options);
  }

  logs(
    options: {
      follow?: boolean | undefined;
      after?: string | undefined;
      attempt?: number | undefined;
      signal?: AbortSignal | undefined;
    } = {},
  ): AsyncIterable<LogLine> {
    return readLogs(this.#engine.context, this.#engine.view(this.id), options);
  }

  metrics(options: { signal?: AbortSignal | undefined } = {}): AsyncIterable<MetricPoint> {
    return collectMetrics(this.#engine, this.id, { follow: true, signal: options.signal });
  }

  async progress(): ReturnType<Run["progress"]> {
    return progressOf(this.#engine, this.id);
  }

  async result(options: { signal?: AbortSignal | undefined } = {}): Promise<RunResult> {
    const state = await this.#untilEnded(options.signal);
    // A store that cannot be read now must not hide how the run ended.
    const tail = await tailOf(this.#engine.context, state, TAIL_LINES).catch(() => []);
    return resultOf(state, tail);
  }

  async download(what: "outputs" | "checkpoints" | "logs", to: string, options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    checkDownload(what, to);
    const state = await this.#engine.view(this.id).refresh();
    const { context } = this.#engine;
    const store = context.store(state.storeUri);
    if (what === "outputs") {
      await downloadTree(store, `${state.storeUri}${runKey(this.id)}outputs/`, to, { signal: options.signal });
      return;
    }
    if (what === "checkpoints") {
      for (const { ref } of state.checkpoints) await downloadTree(store, ref.location, to, { signal: options.signal });
      return;
    }
    await mkdir(to, { recursive: true });
    for (const attempt of state.attempts) {
      options.signal?.throwIfAborted();
      const lines: string[] = [];
      for await (const line of this.logs({ follow: false, attempt: attempt.number, signal: options.signal })) {
        lines.push(line.gap === true ? "[a part of the log never arrived]" : line.text);
      }
      const file = join(to, `attempt-${attempt.number}.log`);
      await writeFile(`${file}.tmp`, lines.map((line) => `${line}\n`).join(""));
      await rename(`${file}.tmp`, file);
    }
  }

  async stop(
    options: { grace?: number | string | undefined; reason?: string | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    checkReason(options.reason);
    const graceMs = options.grace === undefined ? undefined : parseDuration(options.grace, "grace");
    await this.#engine.request(this.id, {
      request: "stop",
      ...(graceMs === undefined ? {} : { graceMs }),
      ...(options.reason === undefined ? {} : { reason: options.reason }),
    });
    await this.#untilEnded(options.signal);
  }

  async cancel(options: { reason?: string | undefined; signal?: AbortSignal | undefined } = {}): Promise<void> {
    checkReason(options.reason);
    await this.#engine.request(this.id, { request: "cancel", ...(options.reason === undefined ? {} : { reason: options.reason }) });
    await this.#untilEnded(options.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Detaching needs nothing: the run belongs to its log, not to this handle.
  }

  /** Resolves when the script runs, or the run is over. */
  async untilRunning(signal: AbortSignal | undefined): Promise<void> {
    const view = this.#engine.view(this.id);
    try {
      for (;;) {
        signal?.throwIfAborted();
        const state = await view.refresh();
        if (state.ended !== undefined || state.attempts.some((attempt) => attempt.startedAt !== undefined)) return;
        await view.news(signal);
      }
    } catch (error) {
      if (signal?.aborted === true) await this.#engine.request(this.id, { request: "cancel", reason: "train() was aborted" });
      throw error;
    }
  }

  async #untilEnded(signal: AbortSignal | undefined): Promise<RunState> {
    const view = this.#engine.view(this.id);
    for (;;) {
      signal?.throwIfAborted();
      const state = await view.refresh();
      if (state.ended !== undefined) return state;
      await view.news(signal);
    }
  }
}
