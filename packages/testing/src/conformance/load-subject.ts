import { existsSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { ConfigurationError, type TrainingProvider } from "@runctl/core/provider";
import type { ConformanceOptions, ProviderFactory } from "./options.ts";

/** What a module for `runctl-conformance` says of its provider. */
export interface ConformanceModule extends Omit<ConformanceOptions, "live"> {
  /** Makes a fresh subject for each case. */
  factory: ProviderFactory;
  /** Every purchase is real: refused without `--live --spend-cap`. */
  costsMoney?: boolean | undefined;
}

const ENTRIES = ["conformance", "index", "src/index", "dist/index"];
const ENDINGS = [".ts", ".mts", ".js", ".mjs"];

/** Loads a module's subject. @throws ConfigurationError saying what is wrong with the path or the module. */
export async function loadSubject(path: string, cwd: string): Promise<ConformanceModule> {
  const file = fileOf(path, cwd);
  let module: Record<string, unknown>;
  try {
    module = await load(pathToFileURL(file).href, cwd);
  } catch (error) {
    const unreadable = (error as { code?: unknown }).code === UNREADABLE;
    throw new ConfigurationError({
      what: `${file} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`,
      fix: unreadable ? ["Install tsx in this project, or name a JavaScript file."] : ["Run it with node to see the whole error."],
      cause: error,
    });
  }
  return subjectOf(module.default ?? module.conformance ?? module, file);
}

const UNREADABLE = "ERR_UNKNOWN_FILE_EXTENSION";

/** Node 20 reads no TypeScript: tsx does, where the project has it. */
async function load(url: string, cwd: string): Promise<Record<string, unknown>> {
  try {
    return (await import(url)) as Record<string, unknown>;
  } catch (error) {
    if ((error as { code?: unknown }).code !== UNREADABLE) throw error;
    let loader: string;
    try {
      loader = createRequire(join(cwd, "package.json")).resolve("tsx");
    } catch {
      throw error;
    }
    await import(pathToFileURL(loader).href);
    // Another address: what failed once is remembered.
    return (await import(`${url}?tsx`)) as Record<string, unknown>;
  }
}

function fileOf(path: string, cwd: string): string {
  const full = resolve(cwd, path);
  if (!existsSync(full))
    throw new ConfigurationError({
      what: `There is no file or folder ${JSON.stringify(full)}.`,
      fix: ["Name the module that exports your provider's factory, for example ./conformance.ts."],
    });
  if (!statSync(full).isDirectory()) return full;
  const entry = ENTRIES.flatMap((name) => ENDINGS.map((ending) => join(full, name + ending))).find(existsSync);
  if (entry !== undefined) return entry;
  throw new ConfigurationError({
    what: `The folder ${JSON.stringify(full)} has no conformance or index file (${ENDINGS.join(", ")}).`,
    fix: ["Name the module itself."],
  });
}

function subjectOf(found: unknown, file: string): ConformanceModule {
  if (typeof found === "function") return { factory: found as ProviderFactory };
  if (typeof found === "object" && found !== null) {
    if (typeof (found as { factory?: unknown }).factory === "function") return checked(found as ConformanceModule, file);
    if ("specVersion" in found) {
      const provider = found as TrainingProvider;
      // One object for all cases: closing it would end the run, and there is no second client.
      const { close: _, ...open } = provider as TrainingProvider & { close?: unknown };
      return { factory: () => ({ provider: open as TrainingProvider }) };
    }
  }
  const what =
    found === undefined || found === null
      ? "nothing"
      : typeof found === "object"
        ? `an object with ${Object.keys(found).join(", ") || "no members"}`
        : `a ${typeof found}`;
  throw new ConfigurationError({
    what: `${file} exports ${what}; expected is a default export (or one named "conformance") that is a factory, { factory, …options }, or a provider.`,
    fix: ["export default { factory: () => myProvider() };"],
  });
}

const KNOWN = ["factory", "costsMoney", "hooks", "request", "intent", "limits", "only", "excuse", "recording", "runtimes", "random"];

function checked(found: ConformanceModule, file: string): ConformanceModule {
  // The namespace of a module has its other exports, too.
  const unknown = Object.keys(found).filter((key) => !KNOWN.includes(key) && Object.prototype.toString.call(found) !== "[object Module]");
  if (unknown.length === 0) return found;
  throw new ConfigurationError({
    what: `${file} gives options that are not known: ${unknown.join(", ")}.`,
    fix: [`Known are ${KNOWN.join(", ")}.`],
  });
}
