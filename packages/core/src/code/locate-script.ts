import { stat } from "node:fs/promises";
import { relative, resolve, sep } from "node:path";
import { ValidationError } from "../errors/kinds.ts";
import { containedPath } from "../util/contained-path.ts";
import { findProjectRoot } from "./project-root.ts";

/** Where a run's code is. */
export interface ScriptPlace {
  /** Absolute project root. */
  root: string;
  /** The script below it, POSIX separators. */
  script: string;
}

async function kindOf(path: string): Promise<"file" | "folder" | "other" | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? "file" : found.isDirectory() ? "folder" : "other";
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP") return undefined;
    throw error;
  }
}

/**
 * Finds a script and its project root. A relative `script` is looked up in `cwd` (default: the working directory), then in `root`.
 * Throws ValidationError when it is missing, a folder, or outside the root.
 */
export async function locateScript(options: { script: string; root?: string | undefined; cwd?: string | undefined }): Promise<ScriptPlace> {
  const cwd = options.cwd ?? process.cwd();
  const root = options.root === undefined ? undefined : resolve(cwd, options.root);
  const places = [...new Set([resolve(cwd, options.script), ...(root === undefined ? [] : [resolve(root, options.script)])])];
  let found = places[0] ?? "";
  let kind: "file" | "folder" | "other" | undefined;
  for (const place of places) {
    kind = await kindOf(place);
    found = place;
    if (kind === "file") break;
  }
  const shown = JSON.stringify(options.script);
  if (kind === undefined) {
    throw new ValidationError({
      what: `script ${shown} does not exist.`,
      why: `Looked for ${places.join(" and ")}.`,
      fix: ["Check the path; it is relative to the working directory or the project root.", 'For example script: "train.py".'],
      context: { field: "script", places },
    });
  }
  if (kind !== "file") {
    throw new ValidationError({
      what: `script ${shown} is ${kind === "folder" ? "a folder" : "not a regular file"}.`,
      fix: [`Name the file to run, for example script: ${JSON.stringify(`${options.script.replace(/\/$/, "")}/train.py`)}.`],
      context: { field: "script", path: found },
    });
  }
  const home = root ?? findProjectRoot(found);
  await containedPath(home, found, "script");
  return { root: home, script: relative(home, found).split(sep).join("/") };
}
