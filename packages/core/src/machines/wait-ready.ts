import { HostUnreachableError, NoCapacityError, TimeoutError } from "../errors/kinds.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import { formatRef, type Machine } from "../provider/resource.ts";
import type { Clock } from "../util/clock.ts";
import { sleep } from "../util/sleep.ts";

/**
 * Waits until a machine runs and answers a command (where the provider has `connect`). A listing that lacks it, or fails, is
 * waited out. @throws TimeoutError after `timeoutMs`; NoCapacityError when it ended; the signal's reason.
 */
export async function waitReady(
  provider: TrainingProvider,
  machine: Machine,
  options: { clock: Clock; timeoutMs: number; signal?: AbortSignal | undefined },
): Promise<Machine> {
  const { clock, signal } = options;
  const begun = clock.monotonic();
  const poll = Math.max(250, Math.min(provider.capabilities.pollMs ?? 10_000, 5_000));
  const id = formatRef(machine.ref);
  let last = "it was not listed yet";
  for (;;) {
    signal?.throwIfAborted();
    const now = await look(provider, machine);
    if (now?.state === "ended") {
      throw new NoCapacityError({
        what: `${id} ended before it was ready.`,
        why: now.stateReason ?? "The provider gave no reason.",
        provider: provider.name,
      });
    }
    if (now?.state === "running") {
      const answer = await answers(provider, now, signal);
      if (answer === undefined) return now;
      last = answer;
    } else if (now !== undefined) last = `it was ${now.state}`;
    if (clock.monotonic() - begun >= options.timeoutMs) {
      throw new TimeoutError({ what: `${id} was not ready within ${options.timeoutMs} ms: ${last}.`, provider: provider.name });
    }
    await sleep(clock, poll, signal);
  }
}

async function look(provider: TrainingProvider, machine: Machine): Promise<Machine | undefined> {
  try {
    const found = await provider.find({ ids: [machine.ref.id], kinds: ["machine"], includeForeign: true });
    return found.machines.find((candidate) => candidate.ref.id === machine.ref.id);
  } catch {
    return undefined;
  }
}

/** undefined: it answered. */
async function answers(provider: TrainingProvider, machine: Machine, signal: AbortSignal | undefined): Promise<string | undefined> {
  if (provider.connect === undefined) return undefined;
  try {
    const session = await provider.connect(machine, { signal });
    try {
      const { exitCode } = await session.exec(["true"], { timeoutMs: 30_000, signal });
      return exitCode === 0 ? undefined : `its first command ended with ${exitCode}`;
    } finally {
      await session.close();
    }
  } catch (error) {
    signal?.throwIfAborted();
    return HostUnreachableError.isInstance(error)
      ? "it did not answer"
      : `it refused the connection (${error instanceof Error ? (error.message.split("\n")[0] ?? "") : "unknown"})`;
  }
}
