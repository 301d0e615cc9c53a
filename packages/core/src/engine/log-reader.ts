import { isoNow } from "../util/clock.ts";
import type { EngineContext } from "./context.ts";
import { checkAttempt } from "./handle-arguments.ts";
import { LineCutter } from "./log-lines.ts";
import { decodeLogCursor, encodeLogCursor, type LogPosition } from "./log-position.ts";
import { LogSource } from "./log-source.ts";
import type { AttemptRecord, RunState } from "./run-state.ts";
import type { LogLine } from "./run-types.ts";
import type { RunView } from "./run-view.ts";

const FOLLOW_POLL_MS = 500;

export interface LogOptions {
  follow?: boolean | undefined;
  after?: string | undefined;
  attempt?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** Lines of a run's output, attempt by attempt: set-up first, then the training. Ends with the run, or with what is there when not following. */
export async function* readLogs(context: EngineContext, view: RunView, options: LogOptions): AsyncGenerator<LogLine> {
  checkAttempt(options.attempt);
  const source = new LogSource(context, () => view.nudge());
  try {
    let position: LogPosition =
      options.after === undefined ? { attempt: options.attempt ?? 1, which: "setup.log", offset: 0 } : decodeLogCursor(options.after);
    while (position.attempt > 0) {
      const next = yield* readAttemptPart(context, view, source, position, options);
      if (next === undefined) return;
      position = next;
    }
  } finally {
    await source.close();
  }
}

/** Reads one log of one attempt to its end; returns where to go on, or undefined at the very end. */
async function* readAttemptPart(
  context: EngineContext,
  view: RunView,
  source: LogSource,
  start: LogPosition,
  options: LogOptions,
): AsyncGenerator<LogLine, LogPosition | undefined> {
  const cutter = new LineCutter(start.offset);
  let offset = start.offset;
  let begun = false;
  const line = (text: string, end: number, extra?: { truncated?: true; gap?: true }): LogLine => ({
    text,
    cursor: encodeLogCursor({ ...start, offset: end }),
    at: isoNow(context.clock),
    attempt: start.attempt,
    node: 0,
    source: start.which === "log" ? "stdout" : "setup",
    ...extra,
  });
  for (;;) {
    options.signal?.throwIfAborted();
    // Before reading: what is written until the attempt is seen to be over is then certainly read.
    const state = await view.refresh();
    const attempt = state.attempts.find((candidate) => candidate.number === start.attempt);
    const over = begun || isOver(state, attempt, start);
    const read = await source.read(state, { ...start, offset });
    if (read.kind === "bytes") {
      offset += read.bytes.length;
      for (const piece of cutter.push(read.bytes)) yield line(piece.text, piece.end, piece.truncated ? { truncated: true } : undefined);
      continue;
    }
    if (read.kind === "hole" && over) {
      for (const piece of cutter.flush()) yield line(piece.text, piece.end);
      yield line("", read.until, { gap: true });
      return { ...start, offset: read.until };
    }
    if (!over && !begun && start.which === "setup.log" && (await hasBegun(source, state, start))) {
      // Once more: a last line of the set-up may have come between the two reads.
      begun = true;
      continue;
    }
    if (over) {
      for (const piece of cutter.flush()) yield line(piece.text, piece.end);
      const expected = attempt?.outcome === undefined ? undefined : await source.expectedBytes(state, start);
      if (expected !== undefined && expected > offset) yield line("", expected, { gap: true });
      return nextPart(state, start, options);
    }
    if (options.follow === false) {
      for (const piece of cutter.flush()) yield line(piece.text, piece.end);
      return undefined;
    }
    await view.changed(FOLLOW_POLL_MS, options.signal);
  }
}

/** Is nothing more coming in this part? Set-up is over when the training began. */
function isOver(state: RunState, attempt: AttemptRecord | undefined, position: LogPosition): boolean {
  if (attempt === undefined) return state.ended !== undefined;
  if (attempt.outcome !== undefined) return true;
  return position.which === "setup.log" && attempt.startedAt !== undefined;
}

/** The training writes already: seen in its log before its host has been asked for its status. */
async function hasBegun(source: LogSource, state: RunState, position: LogPosition): Promise<boolean> {
  const read = await source.read(state, { ...position, which: "log", offset: 0 });
  return read.kind === "bytes";
}

function nextPart(state: RunState, position: LogPosition, options: LogOptions): LogPosition | undefined {
  if (position.which === "setup.log") return { attempt: position.attempt, which: "log", offset: 0 };
  if (options.attempt !== undefined) return undefined;
  const later = state.attempts.some((attempt) => attempt.number > position.attempt);
  if (!later && (state.ended !== undefined || options.follow === false)) return undefined;
  return { attempt: position.attempt + 1, which: "setup.log", offset: 0 };
}

/** The last lines of the last attempt that wrote any, at most `count`, from at most the last 64 KiB. */
export async function tailOf(context: EngineContext, state: RunState, count: number): Promise<string[]> {
  const source = new LogSource(context, () => undefined);
  try {
    for (const attempt of [...state.attempts].reverse()) {
      for (const which of ["log", "setup.log"] as const) {
        const lines = await tailOfPart(source, state, { attempt: attempt.number, which, offset: 0 });
        if (lines.length > 0) return lines.slice(-count);
      }
    }
    return [];
  } finally {
    await source.close();
  }
}

const TAIL_BYTES = 64 * 1024;

async function tailOfPart(source: LogSource, state: RunState, part: LogPosition): Promise<string[]> {
  const expected = (await source.expectedBytes(state, part)) ?? 0;
  let offset = Math.max(0, expected - TAIL_BYTES);
  const cutter = new LineCutter(offset);
  const lines: string[] = [];
  for (;;) {
    const read = await source.read(state, { ...part, offset });
    if (read.kind === "nothing") break;
    if (read.kind === "hole") {
      offset = read.until;
      continue;
    }
    offset += read.bytes.length;
    lines.push(...cutter.push(read.bytes).map((piece) => piece.text));
    if (lines.length > 2_000) lines.splice(0, lines.length - 1_000);
  }
  lines.push(...cutter.flush().map((piece) => piece.text));
  // The first line of a cut-off tail is a torn one.
  return expected > TAIL_BYTES ? lines.slice(1) : lines;
}
