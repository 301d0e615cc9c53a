import { TimeoutError } from "../errors/kinds.ts";
import type { Clock } from "./clock.ts";

/**
 * The promise's outcome, or TimeoutError after `ms`, or the signal's own reason as soon as it aborts. The work itself goes on unheard:
 * only for calls that may be repeated.
 */
export function within<T>(clock: Clock, ms: number, what: string, work: Promise<T>, signal?: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
    };
    const onAbort = (): void => {
      end();
      reject(signal?.reason);
    };
    const timer = clock.timer(ms, () => {
      end();
      reject(new TimeoutError({ what: `${what} gave no answer within ${Math.round(ms / 1000)} s.` }));
    });
    work.then(
      (value) => {
        end();
        resolve(value);
      },
      (error: unknown) => {
        end();
        reject(error);
      },
    );
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
  });
}
