import { sleep } from "../util/sleep.ts";
import type { EngineContext } from "./context.ts";

/** A sign of life that stands still for 30 s is none any more; it is watched a little longer. */
const HOLDER_LIMIT_MS = 40_000;
const HOLDER_POLL_MS = 1_000;

/**
 * Is the holder of a lease gone? One that hangs, or died on another computer, looks alive until its sign of life stood still for half
 * a minute: that is waited for. One that moves is known to live at once.
 */
export async function isHolderGone(context: EngineContext, lease: string | undefined, signal?: AbortSignal | undefined): Promise<boolean> {
  const { clock, state, leases } = context;
  const until = clock.monotonic() + HOLDER_LIMIT_MS;
  let first: number | undefined;
  for (;;) {
    const beats = await state.beats();
    if (leases.judge(lease, beats) !== "held") return true;
    const now = beats.find((beat) => beat.session === lease)?.n;
    first ??= now;
    if (now !== first || clock.monotonic() >= until || signal?.aborted === true) return false;
    await sleep(clock, HOLDER_POLL_MS, signal).catch(() => undefined);
  }
}
