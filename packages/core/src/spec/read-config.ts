import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { pathToFileURL } from "node:url";
import { ConfigurationError } from "../errors/kinds.ts";

/** What a configuration file holds, unchecked. @throws ConfigurationError naming the file and the cure. */
export async function readConfig(path: string): Promise<unknown> {
  return extname(path) === ".json" ? readJson(path) : importDefault(path);
}

async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (cause) {
    // The engine's message may quote the file, which may hold what should not be in an error: only the place is told.
    const position = /position (\d+)/.exec(cause instanceof Error ? cause.message : "")?.[1];
    const before = position === undefined ? undefined : text.slice(0, Number(position)).split("\n");
    const place = before === undefined ? "" : ` (line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1})`;
    throw new ConfigurationError({
      what: `${path} is not valid JSON${place}.`,
      fix: ["Correct it: JSON has no comments and no comma after the last item."],
      context: { path },
    });
  }
}

async function importDefault(path: string): Promise<unknown> {
  let module: { default?: unknown };
  try {
    module = (await import(/* @vite-ignore */ /* webpackIgnore: true */ pathToFileURL(path).href)) as { default?: unknown };
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ERR_UNKNOWN_FILE_EXTENSION") {
      throw new ConfigurationError({
        what: `${path} is TypeScript, which this runtime (${runtime()}) cannot import.`,
        fix: [
          "Run under tsx (npx tsx your-script.ts), Deno, Bun or Node 22.18 or newer.",
          "Or write the configuration as runctl.config.mjs or runctl.config.json.",
        ],
        context: { path },
        cause,
      });
    }
    throw unreadable(path, cause);
  }
  if (module.default === undefined) {
    throw new ConfigurationError({ what: `${path} has no default export.`, fix: ['Write "export default { … }".'], context: { path } });
  }
  return await module.default;
}

function unreadable(path: string, cause: unknown): ConfigurationError {
  return new ConfigurationError({
    what: `${path} cannot be loaded.`,
    why: cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause),
    fix: ["Correct the file; what it threw is in `cause`."],
    context: { path },
    cause,
  });
}

function runtime(): string {
  const { deno, bun } = process.versions as { deno?: string; bun?: string };
  if (deno !== undefined) return `Deno ${deno}`;
  return bun === undefined ? `Node ${process.versions.node}` : `Bun ${bun}`;
}
