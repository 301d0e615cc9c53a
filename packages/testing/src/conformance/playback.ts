import {
  AbortedError,
  AlreadyExistsError,
  AmbiguousOutcomeError,
  AuthenticationError,
  type Capabilities,
  ConfigurationError,
  ConflictError,
  canonicalJson,
  type HostSession,
  HostUnreachableError,
  type JsonObject,
  type JsonValue,
  NoCapacityError,
  NotFoundError,
  PermissionError,
  type ProviderVolumes,
  QuotaError,
  type RunctlErrorInit,
  StorageError,
  ThrottledError,
  TimeoutError,
  type TrainingProvider,
  UnsupportedCapabilityError,
  ValidationError,
} from "@runctl/core/provider";
import type { Recording } from "./recording.ts";

type Exchange = Recording["exchanges"][number];

/**
 * A provider that answers as the recording says. A call is recognised by its operation and its arguments, times of day left out;
 * calls that were made several times answer in their order, and then with the last answer again. Nothing is bought.
 * A call that was not recorded is a ConfigurationError naming it.
 */
export function playback(recording: Recording): TrainingProvider {
  const queues = new Map<string, Exchange[]>();
  for (const exchange of recording.exchanges) {
    const key = keyOf(exchange.operation, exchange.args);
    queues.set(key, [...(queues.get(key) ?? []), exchange]);
  }
  const answer = (operation: string, args: readonly unknown[]): unknown => {
    const queue = queues.get(keyOf(operation, args));
    const next = queue !== undefined && queue.length > 1 ? queue.shift() : queue?.[0];
    if (next === undefined)
      throw new ConfigurationError({
        what: `${operation}(${canonicalJson(plain(args)).slice(1, -1).slice(0, 300)}) is not in the recording.`,
        fix: ["Record it anew, with the same calls and the same seed."],
        context: { operation },
      });
    if (next.error !== undefined) throw errorOf(next.error);
    return revive(next.result);
  };
  const parts: Record<string, Record<string, unknown>> = { "": {}, volumes: {} };
  for (const method of recording.provider.methods) {
    const [name = "", part = ""] = method.split(".").reverse();
    const into = parts[part];
    if (into === undefined) continue;
    // These two answer at once, without a promise.
    into[name] =
      method === "hostHooks" || method === "validateOptions" || method === "volumes.recommend"
        ? (...args: unknown[]) => answer(method, args)
        : async (...args: unknown[]) => {
            const result = answer(method, args);
            return method === "connect" ? session(result as { home: string; cacheDir?: string }, args[0], answer) : result;
          };
  }
  const volumes = parts.volumes as unknown as ProviderVolumes;
  return {
    specVersion: "v1",
    name: recording.provider.name,
    capabilities: recording.provider.capabilities as unknown as Capabilities,
    ...parts[""],
    ...(Object.keys(volumes).length === 0 ? {} : { volumes }),
  } as unknown as TrainingProvider;
}

function session(
  facts: { home: string; cacheDir?: string },
  machine: unknown,
  answer: (operation: string, args: readonly unknown[]) => unknown,
): HostSession {
  const { id } = (machine as { ref: { id: string } }).ref;
  const call =
    (name: string) =>
    async (...args: unknown[]): Promise<never> =>
      answer(`session.${name}`, [id, ...args]) as never;
  return {
    ...facts,
    exec: call("exec"),
    write: call("write"),
    upload: call("upload"),
    download: call("download"),
    read: call("read"),
    close: call("close"),
  };
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;

function keyOf(operation: string, args: readonly unknown[]): string {
  // Left-out options at the end are the same call.
  const given = [...args];
  while (given.length > 0 && isNothing(given.at(-1))) given.pop();
  return `${operation} ${canonicalJson(plain(given))}`;
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === "object" && Object.keys(plain(value) as object).length === 0);
}

function plain(value: unknown): JsonValue {
  if (typeof value === "string") return TIME.test(value) ? "<time>" : value;
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map((item) => plain(item));
  if (typeof value !== "object" || value === null) return typeof value === "function" || value === undefined ? null : (value as JsonValue);
  return Object.fromEntries(
    Object.entries(value).flatMap(
      ([key, part]): Array<[string, JsonValue]> =>
        part === undefined || typeof part === "function" || part instanceof AbortSignal ? [] : [[key, plain(part)]],
    ),
  ) as JsonObject;
}

function revive(value: JsonValue | undefined): unknown {
  if (Array.isArray(value)) return value.map(revive);
  if (typeof value !== "object" || value === null) return value;
  const { $bytes } = value as { $bytes?: unknown };
  if (typeof $bytes === "string") return new Uint8Array(Buffer.from($bytes, "base64"));
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, revive(part as JsonValue)]));
}

const CLASSES: Record<string, new (init: RunctlErrorInit) => Error> = {
  aborted: AbortedError,
  "already-exists": AlreadyExistsError,
  "ambiguous-outcome": AmbiguousOutcomeError,
  authentication: AuthenticationError,
  configuration: ConfigurationError,
  conflict: ConflictError,
  "host-unreachable": HostUnreachableError,
  "no-capacity": NoCapacityError,
  "not-found": NotFoundError,
  permission: PermissionError,
  quota: QuotaError,
  storage: StorageError,
  throttled: ThrottledError,
  timeout: TimeoutError,
  "unsupported-capability": UnsupportedCapabilityError,
  validation: ValidationError,
};

function errorOf({ kind, what, retryAfterMs }: NonNullable<Exchange["error"]>): Error {
  const Kind = CLASSES[kind];
  return Kind === undefined ? new Error(what) : new Kind({ what, retryAfterMs });
}

/**
 * How the form of a provider's answers differs from a recording of it: fields that were always there and are gone, that are always
 * there and new, or of another type, as `find.machines[].zone: string → absent`. Empty: nothing drifted. Values may differ.
 */
export function recordingDrift(recorded: Recording, fresh: Recording): string[] {
  const drift: string[] = [];
  for (const method of recorded.provider.methods) if (!fresh.provider.methods.includes(method)) drift.push(`${method}(): gone`);
  for (const method of fresh.provider.methods) if (!recorded.provider.methods.includes(method)) drift.push(`${method}(): new`);
  const [old, now] = [formsOf(recorded), formsOf(fresh)];
  for (const [path, form] of old) {
    const other = now.get(path);
    if (other === undefined) {
      if (isAlwaysThere(form, old) && now.has(form.parent)) drift.push(`${path}: ${text(form)} → absent`);
    } else if ([...other.types].some((type) => !form.types.has(type))) drift.push(`${path}: ${text(form)} → ${text(other)}`);
  }
  for (const [path, form] of now)
    if (!old.has(path) && isAlwaysThere(form, now) && old.has(form.parent)) drift.push(`${path}: absent → ${text(form)}`);
  return drift.sort();
}

interface Form {
  /** Path of the object that holds the field; "" for what holds none, such as a list's items. */
  parent: string;
  types: Set<string>;
  count: number;
}

function formsOf(recording: Recording): Map<string, Form> {
  const forms = new Map<string, Form>();
  const visit = (path: string, parent: string, value: JsonValue): void => {
    const form = forms.get(path) ?? { parent, types: new Set(), count: 0 };
    forms.set(path, form);
    form.types.add(Array.isArray(value) ? "array" : value === null ? "null" : typeof value);
    form.count += 1;
    if (Array.isArray(value)) for (const item of value) visit(`${path}[]`, "", item);
    // Tags are words of users, not fields.
    else if (typeof value === "object" && value !== null && !/\.tags$/.test(path))
      for (const [key, part] of Object.entries(value)) visit(`${path}.${key}`, path, part as JsonValue);
  };
  for (const { operation, result } of recording.exchanges) if (result !== undefined) visit(operation, "", result);
  return forms;
}

/** Was the field in every object that could hold it? An optional field may be missing next time. */
function isAlwaysThere(form: Form, forms: Map<string, Form>): boolean {
  return form.parent !== "" && forms.get(form.parent)?.count === form.count;
}

function text({ types }: Form): string {
  return [...types].sort().join("|");
}
