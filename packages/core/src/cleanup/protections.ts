import { ConflictError } from "../errors/kinds.ts";
import type { StateStore } from "../state/state-store.ts";

const TYPE = "protection-set";

/** Ids that protect() was called for and unprotect() was not, by this state's project stream. */
export async function protectedIds(state: StateStore): Promise<Set<string>> {
  const ids = new Set<string>();
  for (const { event } of await state.read("project")) {
    if (event.type !== TYPE || typeof event.id !== "string") continue;
    // Anything but a plain false protects.
    if (event.protected === false) ids.delete(event.id);
    else ids.add(event.id);
  }
  return ids;
}

/** Durable when it resolves. */
export async function setProtection(state: StateStore, id: string, value: boolean, append: { session: string; at: string }): Promise<void> {
  for (;;) {
    const events = await state.read("project");
    try {
      await state.append("project", [{ type: TYPE, id, protected: value }], { expected: events.length, ...append });
      return;
    } catch (error) {
      if (!ConflictError.isInstance(error)) throw error;
    }
  }
}
