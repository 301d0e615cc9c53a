import type { HostSession } from "../provider/host-session.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import type { Machine } from "../provider/resource.ts";
import type { Clock } from "../util/clock.ts";
import { within } from "../util/within.ts";

const CONNECT_LIMIT_MS = 120_000;

/**
 * A session on a machine, or TimeoutError after two minutes: a provider that never answers must not hold a run back. A session that comes
 * too late is closed.
 */
export async function connectWithin(
  clock: Clock,
  provider: TrainingProvider,
  machine: Machine,
  signal?: AbortSignal | undefined,
): Promise<HostSession> {
  if (provider.connect === undefined) throw new TypeError(`${provider.name} cannot connect.`);
  const stop = new AbortController();
  const connecting = provider.connect(machine, { signal: signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]) });
  try {
    return await within(clock, CONNECT_LIMIT_MS, `${provider.name}.connect`, connecting, signal);
  } catch (error) {
    stop.abort(error);
    connecting.then((late) => late.close()).catch(() => undefined);
    throw error;
  }
}
