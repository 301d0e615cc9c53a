/** A combined signal and how to let go of its sources. */
export interface CombinedSignal {
  signal: AbortSignal;
  /** Removes every listener; call it in `finally`. Repeating is fine. */
  release(): void;
}

/**
 * Aborts with the reason of the first of `signals` that aborts. Unlike AbortSignal.any it holds nothing after `release()`, so that a
 * long-lived signal of the caller does not collect one listener a call.
 */
export function anySignal(signals: ReadonlyArray<AbortSignal | undefined>): CombinedSignal {
  const controller = new AbortController();
  const sources = signals.filter((signal) => signal !== undefined);
  const onAbort = (event: Event): void => {
    release();
    controller.abort((event.target as AbortSignal).reason);
  };
  const release = (): void => {
    for (const source of sources) source.removeEventListener("abort", onAbort);
  };
  const aborted = sources.find((source) => source.aborted);
  if (aborted !== undefined) controller.abort(aborted.reason);
  else for (const source of sources) source.addEventListener("abort", onAbort, { once: true });
  return { signal: controller.signal, release };
}

/** The promise, or a rejection with the signal's own reason, whichever comes first. The work behind the promise goes on. */
export function abortable<T>(promise: PromiseLike<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return Promise.resolve(promise);
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) {
      // The promise may still reject later: nobody waits for it any more.
      Promise.resolve(promise).catch(() => {});
      onAbort();
      return;
    }
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(
      (value) => {
        signal.removeEventListener("abort", onAbort);
        resolve(value);
      },
      (error: unknown) => {
        signal.removeEventListener("abort", onAbort);
        reject(error);
      },
    );
  });
}

/** True for what an abort looks like: the platform's AbortError, ours, or the signal's own reason. A timeout is none of them. */
export function isAbort(error: unknown, signal?: AbortSignal | undefined): boolean {
  if (signal?.aborted === true && error === signal.reason) return true;
  if (typeof error !== "object" || error === null) return false;
  const { name, code } = error as { name?: unknown; code?: unknown };
  return name === "AbortError" || name === "AbortedError" || code === "ABORT_ERR" || code === "RUNCTL_ABORTED";
}
