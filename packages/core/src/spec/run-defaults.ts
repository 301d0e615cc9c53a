import { ConfigurationError } from "../errors/kinds.ts";
import type { RunDefaults } from "./options.ts";
import type { RunSpec } from "./run-spec.ts";

const NEVER_DEFAULT = ["script", "command", "args", "key", "name", "machine", "root"] as const;
const MERGED = ["env", "secrets", "labels", "resources", "retries", "providerOptions"] as const;

/** @throws ConfigurationError for fields that say what one run is. */
export function checkDefaults(defaults: object, field: string): void {
  for (const key of NEVER_DEFAULT) {
    if (key in defaults) {
      throw new ConfigurationError({
        what: `${field}.${key} is given, but ${key} belongs to one run.`,
        fix: [`Remove it from ${field} and write it in the spec.`],
        context: { field: `${field}.${key}` },
      });
    }
  }
}

/**
 * A spec over its defaults. A field of the spec replaces the default; env, secrets, labels, resources, retries and
 * providerOptions are merged key by key. Defaults that the spec makes senseless (a type beside `machine`) are left out.
 */
export function withDefaults(spec: RunSpec, defaults: RunDefaults): RunSpec {
  if (typeof spec !== "object" || spec === null || Object.keys(defaults).length === 0) return spec;
  const base: Record<string, unknown> = { ...defaults };
  if (spec.machine !== undefined) for (const key of ["instanceType", "region", "zone", "market"]) delete base[key];
  if (spec.machine !== undefined || (spec.market !== undefined && spec.market !== "spot-then-on-demand")) delete base.fallbackAfter;
  const given = Object.entries(spec).filter(([, value]) => value !== undefined);
  const merged: Record<string, unknown> = { ...base, ...Object.fromEntries(given) };
  for (const key of MERGED) {
    const [below, above]: [unknown, unknown] = [base[key], spec[key]];
    if (isObject(below) && isObject(above)) merged[key] = { ...below, ...above };
  }
  return merged as RunSpec;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
