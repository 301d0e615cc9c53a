import { TimeoutError } from "../errors/kinds.ts";
import type { Clock } from "./clock.ts";

/** The promise's outcome, or TimeoutError after `ms`. The work itself goes on unheard: only for calls that may be repeated. */
export function within<T>(clock: Clock, ms: number, what: string, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.timer(ms, () => reject(new TimeoutError({ what: `${what} gave no answer within ${Math.round(ms / 1000)} s.` })));
    work.then(
      (value) => {
        timer.cancel();
        resolve(value);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}
