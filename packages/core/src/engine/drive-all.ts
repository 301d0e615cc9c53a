import { sleep } from "../util/sleep.ts";
import type { Engine } from "./engine.ts";
import { failureRecord } from "./failure.ts";
import type { RunDriver } from "./run-driver.ts";

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
    const taken = await takeFree(engine);
    if (options.once === true) {
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

async function takeFree(engine: Engine): Promise<string[]> {
  const taken: string[] = [];
  for await (const info of engine.context.state.list("run/")) {
    if (info.ended) continue;
    const runId = info.stream.slice("run/".length);
    if (info.corrupt !== undefined) {
      engine.context.logger.error?.(`run ${runId} cannot be read and is left alone`, { reason: info.corrupt });
      continue;
    }
    const had = engine.driverOf(runId) !== undefined;
    try {
      if ((await engine.tryDrive(runId)) === "driving" && !had) taken.push(runId);
    } catch (error) {
      engine.context.logger.error?.(`run ${runId} cannot be driven`, { reason: failureRecord(error).what });
    }
  }
  return taken;
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}
