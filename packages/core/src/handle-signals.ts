import type { Runctl } from "./runctl.ts";

/** Exit code of a process ended by SIGINT, by the shells' convention 128 + 2. */
const INTERRUPTED = 130;

/**
 * Opt-in: the first SIGINT or SIGTERM drains and closes `runctl` (runs go on, what was started is armed or gone), the second exits at
 * once, and the next process finishes what is open. The returned function takes the handlers away.
 */
export function handleSignals(runctl: Pick<Runctl, "close">): () => void {
  let closing = false;
  const onSignal = (): void => {
    if (closing) process.exit(INTERRUPTED);
    closing = true;
    process.exitCode = INTERRUPTED;
    // What could not be closed is finished by the next process; a failure must not end this one in the middle.
    void runctl
      .close()
      .catch(() => undefined)
      .finally(remove);
  };
  const remove = (): void => {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return remove;
}
