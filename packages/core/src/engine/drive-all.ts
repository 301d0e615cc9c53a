import { sleep } from "../util/sleep.ts";
import type { Engine } from "./engine.ts";
import { failureRecord } from "./failure.ts";
import { isHolderGone } from "./holder-gone.ts";
import type { RunDriver } from "./run-driver.ts";
import { loadRun } from "./run-log.ts";

/** New runs of other processes, and leases that became free, are looked for this often. */
const LOOK_MS = 5_000;
const QUIET_POLL_MS = 50;
/** A provider or host that shows nothing in this time is left to the next visit. */
const SIGHT_PATIENCE_MS = 60_000;

/**
 * Drives every run of the state store that nobody else drives. `once`: until each is over or only waits for its host, for cron;
 * otherwise until the signal aborts.
 */
export async function driveAll(engine: Engine, options: { signal?: AbortSignal | undefined; once?: boolean | undefined }): Promise<void> {
  const { clock } = engine.context;
  for (;;) {
    if (isAborted(options.signal)) return;
    const { taken, held } = await takeFree(engine);
    if (options.once === true) {
      // Cron comes by rarely: whether a silent holder is dead or hangs is found out now. What was free is driven meanwhile.
      taken.push(...(await takeLate(engine, held, options.signal)));
      const until = clock.monotonic() + SIGHT_PATIENCE_MS;
      const isBusy = (driver: RunDriver | undefined): boolean =>
        driver !== undefined && !driver.isQuiet && !(driver.isWaiting && clock.monotonic() > until);
      while (taken.some((runId) => isBusy(engine.driverOf(runId))) && !isAborted(options.signal)) await sleep(clock, QUIET_POLL_MS);
      for (const runId of taken) await engine.letGo(runId);
      return;
    }
    await sleep(clock, LOOK_MS, options.signal).catch(() => undefined);
  }
}

/** Takes the runs whose holder turns out to be gone: one wait for each holder, whatever it holds. */
async function takeLate(engine: Engine, held: readonly string[], signal: AbortSignal | undefined): Promise<string[]> {
  const { state } = engine.context;
  const byHolder = new Map<string, string[]>();
  for (const runId of held) {
    const lease = (await loadRun(state, runId).catch(() => undefined))?.lease;
    if (lease !== undefined) byHolder.set(lease, [...(byHolder.get(lease) ?? []), runId]);
  }
  const taken: string[] = [];
  const take = async (lease: string, runIds: string[]): Promise<void> => {
    if (!(await isHolderGone(engine.context, lease, signal))) return;
    for (const runId of runIds) if ((await engine.tryDrive(runId).catch(() => "held")) === "driving") taken.push(runId);
  };
  await Promise.all([...byHolder].map(([lease, runIds]) => take(lease, runIds)));
  return taken;
}

async function takeFree(engine: Engine): Promise<{ taken: string[]; held: string[] }> {
  const taken: string[] = [];
  const held: string[] = [];
  for await (const info of engine.context.state.list("run/")) {
    if (info.ended) continue;
    const runId = info.stream.slice("run/".length);
    if (info.corrupt !== undefined) {
      engine.context.logger.error?.(`run ${runId} cannot be read and is left alone`, { reason: info.corrupt });
      continue;
    }
    const had = engine.driverOf(runId) !== undefined;
    try {
      const got = await engine.tryDrive(runId);
      if (got === "driving" && !had) taken.push(runId);
      if (got === "held") held.push(runId);
    } catch (error) {
      engine.context.logger.error?.(`run ${runId} cannot be driven`, { reason: failureRecord(error).what });
    }
  }
  return { taken, held };
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}
