import type { Intent } from "../provider/intent.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import type { Machine } from "../provider/resource.ts";
import { TAGS } from "../provider/tags.ts";
import type { Clock } from "../util/clock.ts";
import { sleep } from "../util/sleep.ts";
import { within } from "../util/within.ts";

/** A look without an answer is no look: one hung call must not hold a purchase open for ever. */
const LOOK_LIMIT_MS = 60_000;

/**
 * Looks for the machines of one intent until they show or the provider's settle window (capabilities.settleMs, default 60 s)
 * has passed and two complete listings begun after it had none. An empty answer is "not seen", never "does not exist".
 * Provider errors and incomplete listings count as not seen; the search ends at twice the window at the latest.
 */
export async function findPurchase(
  provider: TrainingProvider,
  intent: Intent,
  options: { clock: Clock; stateId: string; signal?: AbortSignal | undefined },
): Promise<Machine[]> {
  const settle = provider.capabilities.settleMs ?? 60_000;
  const poll = Math.max(1_000, Math.min(provider.capabilities.pollMs ?? 10_000, settle / 4));
  const begun = options.clock.monotonic();
  let absences = 0;
  // A gang may show one by one: what was seen is kept until all are there.
  let seen: Machine[] = [];
  while (absences < 2) {
    const at = options.clock.monotonic() - begun;
    try {
      const looking = provider.find({ stateId: options.stateId, intentId: intent.id, kinds: ["machine"], signal: options.signal });
      const result = await within(options.clock, LOOK_LIMIT_MS, `${provider.name}.find`, looking, options.signal);
      const ours = result.machines.filter((machine) => isOfIntent(machine, intent, options.stateId));
      if (ours.length >= intent.nodes) return ours;
      if (ours.length > 0) seen = ours;
      if (result.complete && at >= settle) absences++;
    } catch {
      // Not seen; asked again.
    }
    if (absences >= 2 || options.clock.monotonic() - begun >= 2 * settle + poll) break;
    try {
      await sleep(options.clock, poll, options.signal);
    } catch {
      break;
    }
  }
  return seen;
}

/** Ours means: the random id of our state store and the intent's id are both on it. Nothing less. */
export function isOfIntent(machine: Machine, intent: Pick<Intent, "id">, stateId: string): boolean {
  return machine.tags[TAGS.state] === stateId && machine.tags[TAGS.intent] === intent.id;
}
