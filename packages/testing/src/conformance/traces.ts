import { AsyncLocalStorage, createHook } from "node:async_hooks";
import { systemClock } from "@runctl/core/provider";

/** What keeps a process alive while it is open. Files and name lookups end by themselves. */
const WATCHED =
  /^(Timeout|TCPWRAP|TCPSERVERWRAP|TLSWRAP|PIPEWRAP|PIPESERVERWRAP|UDPWRAP|PROCESSWRAP|FSEVENTWRAP|STATWATCHER|SIGNALWRAP|WORKER|MESSAGEPORT|HTTP2SESSION)$/;
/** A socket's last packets are gone after this. */
const PATIENCE_MS = 1_500;

/** A timer or handle; both can tell whether they hold the process. */
interface Holder {
  hasRef?: () => boolean;
}

/**
 * Does the work, and tells what it began and left: timers, sockets, servers, children and watchers that keep the process alive. Only
 * what the work itself began counts, whatever else the process is doing. On a runtime that cannot tell, nothing.
 */
export async function leftBehind(work: () => Promise<void>): Promise<string[]> {
  const inside = new AsyncLocalStorage<true>();
  const open = new Map<number, { type: string; resource: Holder }>();
  const hook = createHook({
    init(id, type, _trigger, resource) {
      if (WATCHED.test(type) && inside.getStore() === true) open.set(id, { type, resource: resource as Holder });
    },
    destroy: (id) => void open.delete(id),
  });
  hook.enable();
  try {
    await inside.run(true, work);
    const begun = systemClock.monotonic();
    for (;;) {
      const held = [...open.values()].filter(({ resource }) => resource.hasRef?.() !== false);
      if (held.length === 0) return [];
      if (systemClock.monotonic() - begun > PATIENCE_MS) return counted(held.map(({ type }) => type));
      // Turns, not a timer: under a virtual clock nobody would fire it.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  } finally {
    hook.disable();
  }
}

function counted(types: string[]): string[] {
  return [...new Set(types)].map((type) => `${types.filter((one) => one === type).length} × ${type}`);
}
