import { type FindQuery, formatRef, type ResourceRef, type TrainingProvider } from "@runctl/core/provider";
import type { Gate } from "./gate.ts";
import { gatedSession } from "./gated-session.ts";
import { gatedStore } from "./gated-store.ts";

/** Calls that may change something at the provider. All others are looks. */
const CHANGES = new Set([
  "create",
  "terminate",
  "remove",
  "stop",
  "start",
  "tag",
  "volumes.create",
  "volumes.attach",
  "volumes.detach",
  "volumes.delete",
  "volumes.snapshot",
  "volumes.prewarm",
  "images.build",
  "images.push",
]);
/** Pure: they ask nobody. */
const LOCAL = new Set(["hostHooks", "validateOptions", "volumes.recommend"]);

/**
 * A provider as one process sees it: every call through its gate, sessions and stores of it, too. Members that it lacks are lacking
 * here as well, since an absent method is an absent capability.
 */
export function gatedProvider(provider: TrainingProvider, gate: Gate): TrainingProvider {
  const stores = provider.stores?.map((store) => gatedStore(store, gate));
  return gatedMembers(provider, "", gate, (name, value) => {
    if (name === "stores") return stores;
    if (name === "close") return () => provider.close?.() ?? Promise.resolve();
    if ((name === "volumes" || name === "images") && typeof value === "object" && value !== null) {
      return gatedMembers(value, `${name}.`, gate, () => undefined);
    }
    if (name !== "connect" || provider.connect === undefined) return undefined;
    const connect = provider.connect.bind(provider);
    const gated: TrainingProvider["connect"] = async (machine, options) => {
      const id = formatRef(machine.ref);
      return gatedSession(await gate.call("provider", "connect", id, false, () => connect(machine, options)), gate, id);
    };
    return gated;
  });
}

/** A view of an object whose methods pass the gate. `special` gives members of its own, undefined for the usual treatment. */
function gatedMembers<T extends object>(target: T, prefix: string, gate: Gate, special: (name: string, value: unknown) => unknown): T {
  const view = {} as T;
  for (const key of memberNames(target)) {
    const value: unknown = Reflect.get(target, key);
    const op = prefix + key;
    let member = special(key, value);
    if (member === undefined && typeof value === "function") {
      const method = value.bind(target) as (...args: unknown[]) => Promise<unknown>;
      member = LOCAL.has(op)
        ? method
        : (...args: unknown[]) => gate.call("provider", op, describe(args), CHANGES.has(op), () => method(...args));
    }
    if (member !== undefined) Object.defineProperty(view, key, { value: member, enumerable: true });
    // Read through: what a provider says of itself may change.
    else Object.defineProperty(view, key, { get: () => Reflect.get(target, key) as unknown, enumerable: true });
  }
  return view;
}

/** Own members and those of its class. */
function memberNames(target: object): Set<string> {
  const names = new Set<string>();
  for (let at: object | null = target; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at) as object | null) {
    for (const name of Object.getOwnPropertyNames(at)) if (name !== "constructor") names.add(name);
  }
  return names;
}

/** What a call is about, from its arguments: an intent, resources, a query. */
function describe(args: readonly unknown[]): string {
  return args.map(subject).filter(Boolean).join(" ");
}

function subject(arg: unknown): string {
  if (typeof arg === "string") return arg;
  if (typeof arg !== "object" || arg === null) return "";
  const thing = arg as { id?: unknown; kind?: unknown; ref?: ResourceRef; intentId?: unknown } & FindQuery;
  if (typeof thing.kind === "string" && typeof thing.id === "string") return formatRef(arg as ResourceRef);
  if (typeof thing.ref === "object") return formatRef(thing.ref);
  if (typeof thing.intentId === "string") return `intent ${thing.intentId}`;
  if (typeof thing.id === "string") return `intent ${thing.id}`;
  if (Array.isArray(thing.ids)) return thing.ids.join(" ");
  return typeof thing.stateId === "string" ? "ours" : "";
}
