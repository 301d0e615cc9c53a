import { decodeCursor } from "../events/cursor.ts";
import type { RunctlEvent } from "../events/event-types.ts";
import type { EngineContext } from "./context.ts";
import { evolve } from "./evolve.ts";
import { projectEvents } from "./project-events.ts";
import { asLogged } from "./run-log.ts";
import type { RunState } from "./run-state.ts";
import type { LogView } from "./run-view.ts";

interface Place {
  state: RunState | undefined;
  next: number;
}

/**
 * Events of every run of the store: replayed in order of time, then live until the signal aborts. `after` goes on behind the time
 * of the event with that cursor, in the order (time, run, place).
 */
export async function* readStoreEvents(
  context: EngineContext,
  view: Pick<LogView, "news">,
  options: { after?: string | undefined; signal: AbortSignal },
): AsyncGenerator<RunctlEvent> {
  const places = new Map<string, Place>();
  const after = options.after === undefined ? undefined : await keyOf(context, options.after);
  let first = true;
  while (!options.signal.aborted) {
    const batch: Array<{ key: string; event: RunctlEvent }> = [];
    for await (const info of context.state.list("run/")) {
      if (info.corrupt !== undefined) continue;
      const place = places.get(info.stream) ?? { state: undefined, next: 0 };
      // An ended run that was read to its end does not change any more.
      if (info.ended && places.has(info.stream)) continue;
      for (const stored of await context.state.read(info.stream, place.next)) {
        const logged = asLogged(stored);
        const before = place.state;
        place.state = evolve(before, logged);
        place.next = logged.seq + 1;
        projectEvents(before, place.state, logged).forEach((event, index) => {
          batch.push({ key: sortKey(event.at, info.stream, logged.seq, index), event });
        });
      }
      places.set(info.stream, place);
    }
    batch.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    for (const { key, event } of batch) if (!first || after === undefined || key > after) yield event;
    first = false;
    await view.news(options.signal).catch(() => undefined);
  }
}

async function keyOf(context: EngineContext, cursor: string): Promise<string> {
  const place = decodeCursor(cursor);
  const [stored] = await context.state.read(place.stream, place.seq);
  return stored === undefined ? "" : sortKey(stored.at, place.stream, place.seq, place.index);
}

function sortKey(at: string, stream: string, seq: number, index: number): string {
  return `${at} ${stream} ${String(seq).padStart(10, "0")} ${String(index).padStart(4, "0")}`;
}
