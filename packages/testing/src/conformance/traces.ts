import { systemClock } from "@runctl/core/provider";

/** What keeps a process alive, counted by kind. */
export type Traces = Map<string, number>;

/** Kinds that come and go with work that others do: files, name lookups, and the runner's own channel and pipes. */
const PASSING =
  /^(FSReqCallback|FSReqPromise|GetAddrInfoReqWrap|CloseReq|Immediate|PipeWrap|TTYWrap|MessagePort|ProcessWrap|ShutdownWrap|WriteWrap|TickObject)$/;

/** Timers, sockets, servers and children of this process now. */
export function processTraces(): Traces {
  const traces: Traces = new Map();
  for (const kind of process.getActiveResourcesInfo()) {
    if (!PASSING.test(kind)) traces.set(kind, (traces.get(kind) ?? 0) + 1);
  }
  return traces;
}

/** A socket's last packets, and a runner's own timers, are gone after this. */
const PATIENCE_MS = 1_500;

/**
 * What is there now and was not before. Closing takes turns of the event loop, so it looks again for a while; an interval or a
 * connection that is kept alive does not go away by that.
 */
export async function leftBehind(before: Traces): Promise<string[]> {
  const begun = systemClock.monotonic();
  for (;;) {
    const left = [...processTraces()].flatMap(([kind, count]) => {
      const more = count - (before.get(kind) ?? 0);
      return more > 0 ? [`${more} × ${kind}`] : [];
    });
    if (left.length === 0 || systemClock.monotonic() - begun > PATIENCE_MS) return left;
    // Turns, not a timer: under a virtual clock nobody would fire it, and it would be a trace itself.
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
