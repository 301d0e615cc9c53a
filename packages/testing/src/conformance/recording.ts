import { type HostSession, type JsonValue, RunctlError, type TrainingProvider, ValidationError } from "@runctl/core/provider";
import { z } from "zod";
import { observed } from "./observe.ts";
import { scrub } from "./scrub.ts";

const json: z.ZodType<JsonValue> = z.json() as z.ZodType<JsonValue>;

/** One call and its answer, without secrets. */
const exchangeSchema = z.object({
  /** `create`, `volumes.attach`, `session.exec` … */
  operation: z.string(),
  args: z.array(json),
  /** Absent: it answered nothing. */
  result: json.optional(),
  error: z.object({ kind: z.string(), what: z.string(), retryAfterMs: z.number().optional() }).optional(),
});

/** The form of a recording's file. */
export const recordingSchema = z.object({
  v: z.literal(1),
  provider: z.object({ name: z.string(), capabilities: json, methods: z.array(z.string()) }),
  exchanges: z.array(exchangeSchema),
});

/** Everything that was asked of a provider and what it answered: JSON, without secrets, fit to be committed. */
export type Recording = z.infer<typeof recordingSchema>;

/** Reads a recording. @throws ValidationError saying what is wrong with it. */
export function parseRecording(value: unknown): Recording {
  const parsed = recordingSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.slice(0, 5).map((issue) => `${issue.path.map(String).join(".") || "it"}: ${issue.message}`);
  throw new ValidationError({
    what: `This is no recording of a provider: ${problems.join("; ")}.`,
    fix: ["Make one with recordProvider(provider).recording(), or runctl-conformance --record file.json."],
    context: { problems },
  });
}

const METHODS = [
  "offers",
  "create",
  "find",
  "terminate",
  "remove",
  "stop",
  "start",
  "connect",
  "hostHooks",
  "notices",
  "usage",
  "costs",
  "identity",
  "tag",
  "validateOptions",
  "doctor",
  "close",
] as const;
const VOLUME_METHODS = ["create", "list", "attach", "detach", "delete", "snapshot", "snapshots", "prewarm", "recommend"] as const;
const SESSION_METHODS = ["exec", "write", "upload", "download", "read", "close"] as const;

/** Watches a provider and keeps every exchange, sessions included. */
export function recordProvider(
  provider: TrainingProvider,
  options: { secrets?: string[] | undefined } = {},
): { provider: TrainingProvider; recording(): Recording } {
  const exchanges: Recording["exchanges"] = [];
  const clean = (value: unknown): JsonValue | undefined => scrub(asJson(value), options.secrets);
  const add = (operation: string, args: unknown[], outcome: { ok: boolean; result?: unknown; error?: unknown }): void => {
    const entry: Recording["exchanges"][number] = { operation, args: args.map((arg) => clean(arg) ?? null) };
    if (!outcome.ok) entry.error = clean(plainError(outcome.error)) as NonNullable<typeof entry.error>;
    else if (outcome.result !== undefined) {
      const result = operation === "connect" ? sessionFacts(outcome.result as HostSession) : outcome.result;
      const value = clean(result);
      if (value !== undefined) entry.result = value;
    }
    exchanges.push(entry);
  };
  const watched = observed(provider, {
    beforeCreate: () => undefined,
    seen: (observation) => add(observation.operation, observation.args, observation),
  });
  return {
    provider: new Proxy(watched, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key);
        if (key !== "connect" || typeof value !== "function") return value;
        return async (...args: unknown[]) => recordSession((await Reflect.apply(value, target, args)) as HostSession, args[0], add);
      },
    }),
    recording: () => ({
      v: 1,
      provider: {
        name: provider.name,
        capabilities: asJson(provider.capabilities) ?? {},
        methods: [
          ...METHODS.filter((method) => provider[method] !== undefined),
          ...VOLUME_METHODS.filter((method) => provider.volumes?.[method] !== undefined).map((method) => `volumes.${method}`),
        ],
      },
      exchanges: structuredClone(exchanges),
    }),
  };
}

type Add = (operation: string, args: unknown[], outcome: { ok: boolean; result?: unknown; error?: unknown }) => void;

function recordSession(session: HostSession, machine: unknown, add: Add): HostSession {
  const { id } = (machine as { ref: { id: string } }).ref;
  return new Proxy(session, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      if (!SESSION_METHODS.includes(key as "exec")) return value.bind(target) as unknown;
      return (...args: unknown[]) =>
        (Reflect.apply(value, target, args) as Promise<unknown>).then(
          (result) => {
            add(`session.${String(key)}`, [id, ...args], { ok: true, result });
            return result;
          },
          (error: unknown) => {
            add(`session.${String(key)}`, [id, ...args], { ok: false, error });
            throw error;
          },
        );
    },
  });
}

function sessionFacts(session: HostSession): JsonValue {
  return session.cacheDir === undefined ? { home: session.home } : { home: session.home, cacheDir: session.cacheDir };
}

function plainError(error: unknown): JsonValue {
  if (!RunctlError.is(error)) return { kind: "raw", what: error instanceof Error ? error.name : typeof error };
  return { kind: error.kind, what: error.what, ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }) };
}

/** Bytes as base64 under a name that says so; signals and functions left out. */
function asJson(value: unknown): JsonValue | undefined {
  if (value === undefined || typeof value === "function" || value instanceof AbortSignal) return undefined;
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map((item) => asJson(item) ?? null);
  if (typeof value !== "object" || value === null) return value as JsonValue;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, part]) => {
      const kept = asJson(part);
      return kept === undefined ? [] : [[key, kept]];
    }),
  );
}
