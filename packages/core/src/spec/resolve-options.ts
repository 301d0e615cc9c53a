import { userInfo } from "node:os";
import { basename, join } from "node:path";
import { z } from "zod";
import { findProjectRoot } from "../code/project-root.ts";
import { DEFAULT_THRESHOLDS } from "../cost/thresholds.ts";
import { ConfigurationError } from "../errors/kinds.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import { systemClock } from "../util/clock.ts";
import { silentLogger } from "../util/logger.ts";
import { systemRandom } from "../util/random.ts";
import { typeName } from "./invalid.ts";
import type { ResolvedOptions, RunctlOptions } from "./options.ts";
import { LIVE_OPTIONS, optionGuide, plainOptionShapes } from "./options-schema.ts";
import { checkDefaults } from "./run-defaults.ts";
import { safeName } from "./safe-name.ts";
import { strict } from "./strict-object.ts";
import { validationError } from "./zod-issues.ts";

/** Keys that loadConfig adds to what it read: spreading its result into the options is fine. */
const CONFIG_KEYS = ["file", "notices", "unknownKeys"] as const;

/** Source: the old tool's account guard, original.md §2.5. */
export const DEFAULT_LIMITS = { maxRunning: 50, warnRunning: 10 } as const;

/**
 * Checks options and fills in the defaults. Touches neither network nor disk.
 * @throws ConfigurationError naming the option, its type and the cure.
 */
export function resolveOptions(options: RunctlOptions): ResolvedOptions {
  checkShape(options);
  const cwd = process.cwd();
  let root: string | undefined;
  const findRoot = (): string => {
    root ??= findProjectRoot(join(cwd, "project"));
    return root;
  };
  return {
    providers: checkProviders(options.providers),
    cwd,
    root: findRoot,
    project: () => options.project ?? safeName(basename(findRoot()), "project"),
    user: () => options.user ?? safeName(osUser(), "user"),
    state: options.state,
    store: options.store,
    stores: options.stores ?? [],
    resolveSecret: options.resolveSecret,
    logger: options.logger ?? silentLogger,
    budget: { ...options.budget },
    thresholds: { ...DEFAULT_THRESHOLDS, ...withoutUndefined(options.thresholds ?? {}) },
    limits: { ...DEFAULT_LIMITS, ...withoutUndefined(options.limits ?? {}) },
    defaults: options.defaults ?? {},
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
  };
}

function checkShape(options: unknown): void {
  const live = Object.fromEntries([...LIVE_OPTIONS, ...CONFIG_KEYS].map((key) => [key, z.unknown().optional()]));
  const parsed = strict({ ...plainOptionShapes(), ...live }).safeParse(options);
  if (!parsed.success) {
    const error = validationError(parsed.error.issues, options, "The options of Runctl", optionGuide);
    throw new ConfigurationError({ what: error.what, why: error.why, fix: error.fix, context: error.context });
  }
  if (parsed.data.defaults !== undefined) checkDefaults(parsed.data.defaults, "defaults");
  const given = options as Record<string, unknown>;
  const types: Array<[string, string, (value: unknown) => boolean]> = [
    ["state", 'a state store, such as fileState(".runctl")', (value) => hasMethods(value, ["append", "read", "list", "stateId"])],
    ["stores", "an array of object stores", Array.isArray],
    ["resolveSecret", "a function", (value) => typeof value === "function"],
    ["logger", "an object with any of the methods debug, info, warn, error", isLogger],
    ["clock", "a Clock: now(), monotonic() and timer()", (value) => hasMethods(value, ["now", "monotonic", "timer"])],
    ["random", "a Random: next() and bytes()", (value) => hasMethods(value, ["next", "bytes"])],
    // A Date or a Map has no keys of its own: it would pass as "nothing given".
    ...["limits", "budget", "thresholds", "defaults"].map((key): [string, string, (value: unknown) => boolean] => [
      key,
      "a plain object",
      isPlain,
    ]),
  ];
  for (const [key, takes, fits] of types) {
    if (given[key] !== undefined && !fits(given[key])) {
      throw new ConfigurationError({
        what: `${key} must be ${takes}, but it is ${describe(given[key])}.`,
        fix: [`Correct ${key}, or leave it out.`],
        context: { field: key },
      });
    }
  }
}

/** @throws ConfigurationError for none, for something that is no provider, and for two of one name. */
export function checkProviders(providers: unknown): TrainingProvider[] {
  const example = "Write for example providers: [local()], with local from @runctl/provider-local.";
  if (!Array.isArray(providers) || providers.length === 0) {
    throw new ConfigurationError({
      what: Array.isArray(providers) ? "providers is empty." : `providers must be an array of providers, but it is ${typeName(providers)}.`,
      why: "Machines come from providers.",
      fix: [example],
      context: { field: "providers" },
    });
  }
  const names = new Set<string>();
  for (const [index, provider] of providers.entries()) {
    const name: unknown = isObject(provider) ? provider.name : undefined;
    if (!isObject(provider) || provider.specVersion !== "v1" || typeof name !== "string") {
      const hint = typeof provider === "function" ? "It is a function: call it." : example;
      throw new ConfigurationError({
        what: `providers[${index}] is no provider of this version of runctl (specVersion "v1").`,
        fix: [hint],
        context: { field: `providers[${index}]`, type: typeName(provider) },
      });
    }
    if (names.has(name)) {
      throw new ConfigurationError({
        what: `Two providers have the name ${JSON.stringify(name)}.`,
        why: "Runs and resources name their provider, so each has a name of its own.",
        fix: [`Give one another name: ${name}({ name: "${name}-2" }).`],
        context: { field: "providers", name },
      });
    }
    names.add(name);
  }
  return [...(providers as TrainingProvider[])];
}

function osUser(): string {
  try {
    return userInfo().username;
  } catch {
    // A uid without an entry in the user database, as in many containers.
    return process.env.USER ?? process.env.LOGNAME ?? `uid-${process.getuid?.() ?? 0}`;
  }
}

/** As typeName, and of an object what it is one of. */
function describe(value: unknown): string {
  const kind = isObject(value) && !Array.isArray(value) ? value.constructor?.name : undefined;
  if (kind === undefined) return typeName(value);
  return kind === "Object" ? `an object with ${Object.keys(value as object).join(", ") || "nothing in it"}` : `a ${kind}`;
}

function hasMethods(value: unknown, names: readonly string[]): boolean {
  return isObject(value) && names.every((name) => typeof value[name] === "function");
}

function isLogger(value: unknown): boolean {
  if (!isObject(value)) return false;
  const given = ["debug", "info", "warn", "error"].filter((level) => value[level] !== undefined);
  return given.length > 0 && hasMethods(value, given);
}

function isPlain(value: unknown): boolean {
  return isObject(value) && [Object.prototype, null].includes(Object.getPrototypeOf(value) as object | null);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

// An explicit undefined means "not given", and must not hide a default.
function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> };
}
