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

/**
 * What is there now and was not before. Closing takes turns of the event loop (a socket's last packets), so it looks again for a
 * while; a kept-alive socket or an interval does not go away by that.
 */
export async function leftBehind(before: Traces, turns = 2_000): Promise<string[]> {
  let left: string[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    left = [...processTraces()].flatMap(([kind, count]) => {
      const more = count - (before.get(kind) ?? 0);
      return more > 0 ? [`${more} × ${kind}`] : [];
    });
    if (left.length === 0) return [];
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return left;
}
