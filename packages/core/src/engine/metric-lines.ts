import { metricLineSchema } from "../host/records.ts";
import type { MetricLine } from "../metrics/metric-types.ts";
import type { EngineContext } from "./context.ts";
import { LineCutter } from "./log-lines.ts";
import { type LogOptions, readLogs } from "./log-reader.ts";
import { LogSource } from "./log-source.ts";
import type { RunState } from "./run-state.ts";
import type { RunView } from "./run-view.ts";

const FOLLOW_POLL_MS = 500;

/**
 * What a run's metrics are read from: the training's output and, when `metrics` names files, their lines, each once. Following, both come as
 * they are written; otherwise the output comes first. Cost: without files the same as reading the log.
 */
export async function* readMetricLines(context: EngineContext, view: RunView, options: LogOptions): AsyncGenerator<MetricLine> {
  const output = trainingLines(context, view, options);
  const { metrics } = (await view.refresh()).spec;
  if (!metrics.some((metric) => metric.file !== undefined)) {
    yield* output;
    return;
  }
  const files = fileLines(context, view, options);
  if (options.follow !== false) {
    yield* together(output, files);
    return;
  }
  yield* output;
  yield* files;
}

async function* trainingLines(context: EngineContext, view: RunView, options: LogOptions): AsyncGenerator<MetricLine> {
  for await (const line of readLogs(context, view, options)) if (line.source !== "setup") yield line;
}

/** The lines of metrics files, attempt by attempt. */
export async function* fileLines(context: EngineContext, view: RunView, options: LogOptions): AsyncGenerator<MetricLine> {
  const source = new LogSource(context, () => view.nudge());
  try {
    for (let number = 1; ; number += 1) {
      const cutter = new LineCutter(0);
      let offset = 0;
      for (;;) {
        options.signal?.throwIfAborted();
        // Before reading: what is written until the attempt is seen to be over is then certainly read.
        const state = await view.refresh();
        const over = isOver(state, number);
        const read = await source.read(state, { attempt: number, which: "metrics.jsonl", offset });
        if (read.kind === "bytes") {
          offset += read.bytes.length;
          for (const piece of cutter.push(read.bytes)) yield* parsed(piece.text, number);
          continue;
        }
        if (read.kind === "hole" && over) {
          offset = read.until;
          continue;
        }
        if (over || options.follow === false) {
          const later = state.attempts.some((attempt) => attempt.number > number);
          if (!later && (state.ended !== undefined || options.follow === false)) return;
          if (over) break;
        }
        await view.changed(FOLLOW_POLL_MS, options.signal);
      }
    }
  } finally {
    await source.close();
  }
}

function isOver(state: RunState, number: number): boolean {
  const attempt = state.attempts.find((candidate) => candidate.number === number);
  return attempt === undefined ? state.ended !== undefined : attempt.outcome !== undefined;
}

function* parsed(text: string, attempt: number): Generator<MetricLine> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return; // a line that a hole cut in two
  }
  const line = metricLineSchema.safeParse(value);
  if (line.success) yield { text: line.data.text, at: line.data.at, attempt };
}

/** Both at once, each in its own order. Ends with the last, and gives both up when the reader stops. */
async function* together<T>(...generators: Array<AsyncGenerator<T>>): AsyncGenerator<T> {
  const waiting = new Map(generators.map((generator) => [generator, step(generator)]));
  try {
    while (waiting.size > 0) {
      const { generator, result } = await Promise.race(waiting.values());
      if (result.done === true) waiting.delete(generator);
      else {
        waiting.set(generator, step(generator));
        yield result.value;
      }
    }
  } finally {
    // Not awaited: a generator that waits for more ends at its next look.
    for (const [generator, next] of waiting) {
      next.catch(() => undefined);
      generator.return(undefined).catch(() => undefined);
    }
  }
}

async function step<T>(generator: AsyncGenerator<T>): Promise<{ generator: AsyncGenerator<T>; result: IteratorResult<T> }> {
  return { generator, result: await generator.next() };
}
