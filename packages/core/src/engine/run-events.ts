import { decodeCursor } from "../events/cursor.ts";
import type { RunctlEvent, RunEvent } from "../events/event-types.ts";
import type { EngineContext } from "./context.ts";
import { evolve } from "./evolve.ts";
import { projectEvents } from "./project-events.ts";
import { asLogged, runStream } from "./run-log.ts";
import type { RunState } from "./run-state.ts";
import type { LogView } from "./run-view.ts";

/**
 * A run's public events: replayed from its log, then live, to its end. Progress of operations is live only: it is in no log.
 */
export async function* readRunEvents(
  context: EngineContext,
  view: LogView,
  runId: string,
  options: { after?: string | undefined; signal?: AbortSignal | undefined },
): AsyncGenerator<RunEvent> {
  const after = options.after === undefined ? undefined : decodeCursor(options.after);
  const live: RunctlEvent[] = [];
  const off = context.bus.on("operation-progress", (event) => {
    if (event.runId !== runId) return;
    live.push(event);
    if (live.length > 1_000) live.shift();
    view.nudge();
  });
  let state: RunState | undefined;
  try {
    for (;;) {
      options.signal?.throwIfAborted();
      await view.refresh();
      const stored = await context.state.read(runStream(runId), state?.version ?? 0);
      for (const each of stored) {
        const logged = asLogged(each);
        const before: RunState | undefined = state;
        state = evolve(before, logged);
        for (const [index, event] of projectEvents(before, state, logged).entries()) {
          const old = after !== undefined && (logged.seq < after.seq || (logged.seq === after.seq && index <= after.index));
          if (!old) yield event as RunEvent;
        }
      }
      yield* live.splice(0) as RunEvent[];
      if (state?.ended !== undefined) return;
      if (stored.length === 0) await view.news(options.signal);
    }
  } finally {
    off();
  }
}
