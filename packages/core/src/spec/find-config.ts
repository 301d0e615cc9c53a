import { stat } from "node:fs/promises";
import { dirname, extname, join, resolve } from "node:path";
import { ConfigurationError } from "../errors/kinds.ts";

/** Endings of configuration files, the one that wins in a folder first. */
export const CONFIG_EXTENSIONS = [".ts", ".js", ".mjs", ".json"] as const;

/** The configuration file to load; undefined when there is none. */
export interface FoundConfig {
  path: string;
  /** Others in the same folder, which are not read. */
  ignored: string[];
}

/** @throws ConfigurationError when the file does not exist or has an ending that is no configuration's. */
export async function namedConfig(path: string, cwd: string): Promise<FoundConfig> {
  const full = resolve(cwd, path);
  if (!(CONFIG_EXTENSIONS as readonly string[]).includes(extname(full))) {
    throw new ConfigurationError({
      what: `${JSON.stringify(path)} is no configuration file.`,
      fix: [`Its name ends with one of ${CONFIG_EXTENSIONS.join(", ")}.`],
      context: { path: full },
    });
  }
  if ((await ownerOf(full)) === undefined) {
    throw new ConfigurationError({
      what: `The configuration file ${full} does not exist.`,
      fix: ["Correct the path, or make one: writeDefaultConfig(path)."],
      context: { path: full },
    });
  }
  return { path: full, ignored: [] };
}

/**
 * Looks for runctl.config.* in `cwd` and upwards; the nearest folder that has one wins. Code that somebody else owns is not run
 * just because it lies above: that is refused.
 */
export async function searchConfig(cwd: string): Promise<FoundConfig | undefined> {
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const present: Array<{ path: string; uid: number }> = [];
    for (const extension of CONFIG_EXTENSIONS) {
      const path = join(folder, `runctl.config${extension}`);
      const uid = await ownerOf(path);
      if (uid !== undefined) present.push({ path, uid });
    }
    const [first, ...others] = present;
    if (first !== undefined) {
      const me = process.geteuid?.();
      if (me !== undefined && first.uid !== me && first.uid !== 0 && extname(first.path) !== ".json") {
        throw new ConfigurationError({
          what: `${first.path} was found, but belongs to another user (uid ${first.uid}).`,
          why: "Loading it would run their code as you.",
          fix: ["If you trust it, name it: loadConfig(path).", "Else put a runctl.config file of your own into your project."],
          context: { path: first.path },
        });
      }
      return { path: first.path, ignored: others.map((other) => other.path) };
    }
    if (folder === dirname(folder)) return undefined;
  }
}

async function ownerOf(path: string): Promise<number | undefined> {
  const info = await stat(path).catch(() => undefined);
  return info?.isFile() === true ? info.uid : undefined;
}
