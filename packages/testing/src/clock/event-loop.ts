// Taken at import: a test that fakes the timers later (vi.useFakeTimers) must not stop the world.
const immediate = setImmediate;
const delayed = setTimeout;
const cancelDelayed = clearTimeout;

/** One turn of the event loop: every promise that was ready has gone on, and so have immediates that were queued before. */
export function turn(): Promise<void> {
  return new Promise((resolve) => void immediate(resolve));
}

/** Node's names for real work that ends by itself: requests to the file system, work of the thread pool (hashes, random bytes). */
const REAL = /^(FSReq.*|.*CloseReq|.*Request)$/;
/** There are few names, and this is asked at every call and timer of a world. */
const known = new Map<string, boolean>();

function isReal(resource: string): boolean {
  let real = known.get(resource);
  if (real === undefined) {
    real = REAL.test(resource);
    known.set(resource, real);
  }
  return real;
}

/** True while something of this process ends soon by itself: real work, or a queued immediate. */
export function isBusy(): boolean {
  for (const resource of process.getActiveResourcesInfo()) if (resource === "Immediate" || isReal(resource)) return true;
  return false;
}

/** True while the file system or the thread pool works for this process: what happens next depends on how fast they are. */
export function isRealWorkPending(): boolean {
  for (const resource of process.getActiveResourcesInfo()) if (isReal(resource)) return true;
  return false;
}

/** Rejects with what `late` makes when `work` has not settled after `ms` of REAL time: only for work that is real itself. */
export function withinRealTime<T>(work: Promise<T>, ms: number, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = delayed(() => reject(late()), ms);
    work.then(resolve, reject).finally(() => cancelDelayed(timer));
  });
}
