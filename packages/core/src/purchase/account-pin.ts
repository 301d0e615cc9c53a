import { ConflictError, StorageError } from "../errors/kinds.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import type { StateStore } from "../state/state-store.ts";
import type { JsonObject } from "../util/json.ts";

const TYPE = "account-pinned";

/** The account of each provider that this state store's things were bought in, by provider name. */
export async function pinnedAccounts(state: StateStore): Promise<Map<string, string>> {
  return pinsOf((await state.read("project")).map((stored) => stored.event));
}

/** False when things were bought at this provider in another account than the one in use. */
export async function isPinnedAccount(state: StateStore, provider: TrainingProvider): Promise<boolean> {
  const pinned = (await pinnedAccounts(state)).get(provider.name);
  return pinned === undefined || (await provider.identity()).id === pinned;
}

/**
 * Writes down in which account things are bought; to be called before the first purchase at a provider. Cleanup and reconcile
 * refuse in any other account: there, "not found" says nothing and a machine of the same id is somebody else's.
 * @throws StorageError when another account is pinned.
 */
export async function pinAccount(state: StateStore, provider: TrainingProvider, append: { session: string; at: string }): Promise<string> {
  const { id } = await provider.identity();
  for (;;) {
    const events = await state.read("project");
    const pinned = pinsOf(events.map((stored) => stored.event)).get(provider.name);
    if (pinned === id) return id;
    if (pinned !== undefined) throw otherAccount(provider.name, pinned, id);
    try {
      await state.append("project", [{ type: TYPE, provider: provider.name, account: id }], { expected: events.length, ...append });
      return id;
    } catch (error) {
      if (!ConflictError.isInstance(error)) throw error;
    }
  }
}

function pinsOf(events: readonly JsonObject[]): Map<string, string> {
  const pins = new Map<string, string>();
  for (const event of events) {
    const { type, provider, account } = event;
    if (type === TYPE && typeof provider === "string" && typeof account === "string" && !pins.has(provider)) pins.set(provider, account);
  }
  return pins;
}

function otherAccount(provider: string, pinned: string, actual: string): StorageError {
  return new StorageError({
    what: `This state belongs to account ${pinned} of ${provider}, but the credentials are of ${actual}.`,
    why: "Buying in a second account would leave machines that neither account's cleanup can account for.",
    fix: [`Use the credentials of ${pinned}.`, "Use a state store of its own for the other account."],
    provider,
    context: { pinned, actual },
  });
}
