import { z } from "zod";
import { ConfigurationError } from "../errors/kinds.ts";
import type { Notice } from "../provider/plan.ts";
import { defaultConfig } from "./config-file.ts";
import { namedConfig, searchConfig } from "./find-config.ts";
import { typeName } from "./invalid.ts";
import { nearest } from "./nearest.ts";
import type { RunctlOptions } from "./options.ts";
import { LIVE_OPTIONS, optionGuide, plainOptionShapes } from "./options-schema.ts";
import { readConfig } from "./read-config.ts";
import { checkDefaults } from "./run-defaults.ts";
import { strict } from "./strict-object.ts";
import { fieldPath, flattenIssues, validationError } from "./zod-issues.ts";

/** What a configuration file holds: any of Runctl's options. `new Runctl({ ...(await loadConfig()), providers: [local()] })`. */
export interface RunctlConfig extends Partial<RunctlOptions> {
  /** Set by loadConfig: the file it read. Absent: there is none, and all values are defaults. */
  file?: string | undefined;
  /** Set by loadConfig: remarks, such as unknown keys with the nearest known one. */
  notices?: Notice[] | undefined;
  /** Set by loadConfig: paths of keys that mean nothing and were left out. */
  unknownKeys?: string[] | undefined;
}

/**
 * Loads a configuration file: `path`, or the nearest runctl.config.{ts,js,mjs,json} upwards from the current folder. What the file
 * leaves out has its default; without a file everything has. Unknown keys are reported in `notices` and `unknownKeys`, because a
 * file may be newer than the library.
 * @throws ConfigurationError naming the file, the key and the cure for a value that is wrong.
 */
export async function loadConfig(path?: string | undefined, options: { cwd?: string | undefined } = {}): Promise<RunctlConfig> {
  const cwd = options.cwd ?? process.cwd();
  const found = path === undefined ? await searchConfig(cwd) : await namedConfig(path, cwd);
  if (found === undefined) return { ...defaultConfig(), notices: [], unknownKeys: [] };
  const raw = await readConfig(found.path);
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    throw new ConfigurationError({
      what: `${found.path} must hold an object, but it holds ${typeName(raw)}.`,
      fix: ['Write for example { project: "digits" }.'],
      context: { path: found.path },
    });
  }
  const { known, unknown } = check(raw as Record<string, unknown>, found.path);
  const ignored: Notice[] = found.ignored.map((other) => ({
    id: "config-ignored",
    what: `${other} is not read, since ${found.path} is in the same folder.`,
    why: "One file holds the configuration.",
    fix: ["Remove one of the two."],
  }));
  return {
    ...merge(defaultConfig(), known),
    file: found.path,
    notices: [...unknown.map((key) => key.notice), ...ignored],
    unknownKeys: unknown.map((key) => key.path),
  };
}

function check(raw: Record<string, unknown>, file: string): { known: RunctlConfig; unknown: Array<{ path: string; notice: Notice }> } {
  const live = Object.fromEntries(LIVE_OPTIONS.map((key) => [key, z.unknown().optional()]));
  const schema = strict({ ...plainOptionShapes(), ...live });
  const parsed = schema.safeParse(raw);
  const issues = parsed.success ? [] : flattenIssues(parsed.error.issues);
  const wrong = issues.filter(({ issue }) => issue.code !== "unrecognized_keys").map(({ issue, path }) => ({ ...issue, path: [...path] }));
  if (wrong.length > 0) {
    const error = validationError(wrong, raw, "The configuration", optionGuide);
    throw new ConfigurationError({
      what: `${error.what} (in ${file})`,
      why: error.why,
      fix: error.fix,
      context: { ...error.context, path: file },
    });
  }
  const unknown = issues.flatMap(({ issue, path }) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => ({ path: [...path, key], notice: unknownKey(fieldPath([...path, key]), issue.message, file) }))
      : [],
  );
  const known = without(
    raw,
    unknown.map((key) => key.path),
  ) as RunctlConfig;
  if (known.defaults !== undefined) checkDefaults(known.defaults, "defaults");
  return { known, unknown: unknown.map(({ path, notice }) => ({ path: fieldPath(path), notice })) };
}

function unknownKey(path: string, message: string, file: string): Notice {
  const near = nearest(path, [...Object.keys(plainOptionShapes()), ...LIVE_OPTIONS]);
  return {
    id: "unknown-key",
    what: `${file} has the key ${path}, which means nothing here and is left out.`,
    why: message,
    fix: [near === undefined ? "Correct or remove it." : `Did you mean ${near}?`],
  };
}

// Copies what lies on the way only: providers and stores stay the objects they are.
function without(value: unknown, paths: ReadonlyArray<readonly PropertyKey[]>): unknown {
  if (paths.length === 0 || typeof value !== "object" || value === null) return value;
  const copy: Record<PropertyKey, unknown> | unknown[] = Array.isArray(value) ? [...value] : { ...value };
  const record = copy as Record<PropertyKey, unknown>;
  for (const key of new Set(paths.map((path) => path[0]))) {
    if (key === undefined) continue;
    const below = paths.filter((path) => path[0] === key).map((path) => path.slice(1));
    if (below.some((path) => path.length === 0)) delete record[key];
    else record[key] = without(record[key], below);
  }
  return copy;
}

const MERGED = ["thresholds", "limits", "budget", "defaults"] as const;

function merge(base: RunctlConfig, over: RunctlConfig): RunctlConfig {
  const merged: Record<string, unknown> = { ...base, ...over };
  for (const key of MERGED) if (base[key] !== undefined && over[key] !== undefined) merged[key] = { ...base[key], ...over[key] };
  return merged as RunctlConfig;
}
