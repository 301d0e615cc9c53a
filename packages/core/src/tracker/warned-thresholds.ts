import type { ThresholdWarning } from "../cost/thresholds.ts";
import { ConflictError } from "../errors/kinds.ts";
import type { StateStore } from "../state/state-store.ts";
import type { JsonObject } from "../util/json.ts";

const TYPE = "cost-threshold-warned";

/** Keys of the limits that this store's processes have warned about. */
export async function warnedKeys(state: StateStore): Promise<Set<string>> {
  return keysOf((await state.read("project")).map((stored) => stored.event));
}

/** Writes down which limits are warned about now and gives those that nobody has warned about before: of two processes one wins. */
export async function rememberWarnings(
  state: StateStore,
  warnings: readonly ThresholdWarning[],
  append: { session: string; at: string },
): Promise<ThresholdWarning[]> {
  for (;;) {
    const events = await state.read("project");
    const known = keysOf(events.map((stored) => stored.event));
    const fresh = warnings.filter((warning) => !known.has(warning.key));
    if (fresh.length === 0) return [];
    try {
      await state.append(
        "project",
        fresh.map((warning) => ({ type: TYPE, key: warning.key, limit: warning.limit.amount, actual: warning.actual.amount })),
        { expected: events.length, ...append },
      );
      return fresh;
    } catch (error) {
      if (!ConflictError.isInstance(error)) throw error;
    }
  }
}

function keysOf(events: readonly JsonObject[]): Set<string> {
  return new Set(events.flatMap((event) => (event.type === TYPE && typeof event.key === "string" ? [event.key] : [])));
}
