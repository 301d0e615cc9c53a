import { writeFile } from "node:fs/promises";
import { extname } from "node:path";
import { DEFAULT_THRESHOLDS } from "../cost/thresholds.ts";
import { AlreadyExistsError, ConfigurationError, StorageError } from "../errors/kinds.ts";
import { CONFIG_EXTENSIONS } from "./find-config.ts";
import type { RunctlConfig } from "./load-config.ts";
import { DEFAULT_LIMITS } from "./resolve-options.ts";

/** The configuration that holds where no file says otherwise: every value is the library's own default. */
export function defaultConfig(): RunctlConfig {
  return {
    thresholds: { ...DEFAULT_THRESHOLDS },
    limits: { ...DEFAULT_LIMITS },
    defaults: {
      market: "on-demand",
      dependencies: "auto",
      checkpoints: { dir: "checkpoints", keep: { last: 10 }, stopSignal: "SIGTERM", grace: "30s" },
      retries: { failures: 0, capacity: "30m" },
    },
  };
}

/**
 * Writes a configuration file with all defaults, to be edited. The kind follows the name: .ts, .js, .mjs or .json.
 * @throws AlreadyExistsError when there is a file of that name: it is never replaced.
 */
export async function writeDefaultConfig(path: string): Promise<void> {
  const extension = extname(path);
  if (!(CONFIG_EXTENSIONS as readonly string[]).includes(extension)) {
    throw new ConfigurationError({
      what: `${JSON.stringify(path)} is no name for a configuration file.`,
      why: `The kind follows the ending: ${CONFIG_EXTENSIONS.join(", ")}.`,
      fix: ['Use "runctl.config.ts", or "runctl.config.json" where TypeScript cannot be imported.'],
      context: { path },
    });
  }
  const json = JSON.stringify(defaultConfig(), undefined, 2);
  const text =
    extension === ".json"
      ? `${json}\n`
      : extension === ".ts"
        ? `import type { RunctlConfig } from "@runctl/core";\n\nexport default ${json} satisfies RunctlConfig;\n`
        : `/** @type {import("@runctl/core").RunctlConfig} */\nexport default ${json};\n`;
  try {
    await writeFile(path, text, { flag: "wx" });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "EEXIST") {
      throw new AlreadyExistsError({
        what: `${path} exists already.`,
        why: "A configuration is never replaced.",
        fix: ["Edit it, or remove it first."],
        context: { path },
      });
    }
    throw new StorageError({
      what: `${path} cannot be written.`,
      why: cause instanceof Error ? cause.message : undefined,
      fix: [code === "ENOENT" ? "Make its folder first." : "Check the folder's permissions and free space."],
      context: { path },
      cause,
    });
  }
}
