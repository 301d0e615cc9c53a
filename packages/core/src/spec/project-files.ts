import { open, readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { findProjectRoot } from "../code/project-root.ts";
import { ConfigurationError, ValidationError } from "../errors/kinds.ts";
import { nearest } from "./nearest.ts";

/** Where the code is: the absolute root, and the script relative to it. */
export interface ProjectFiles {
  root: string;
  /** POSIX separators. */
  script?: string | undefined;
}

/**
 * Finds the project root and the script in it. Reads folders and file kinds, never contents.
 * @throws ValidationError for a script that is missing, a folder or unreadable; ConfigurationError for one outside the root.
 */
export async function findProjectFiles(
  spec: { script?: string | undefined; root?: string | undefined },
  cwd: string,
): Promise<ProjectFiles> {
  const givenRoot = spec.root === undefined ? undefined : await existingFolder(resolve(cwd, spec.root), spec.root);
  if (spec.script === undefined) return { root: givenRoot ?? findProjectRoot(join(cwd, "command")) };
  const script = await findScript(spec.script, givenRoot, cwd);
  await checkFile(script, "script", spec.script);
  const root = givenRoot ?? findProjectRoot(script);
  return { root, script: await insideRoot(root, script, "script", spec.script) };
}

/**
 * A further file of the project (requirements, Dockerfile), relative to the root.
 * @throws ValidationError when it is missing, no file or unreadable; ConfigurationError when it is outside the root.
 */
export async function projectFile(root: string, text: string, field: string): Promise<string> {
  const path = resolve(root, text);
  await checkFile(path, field, text);
  return insideRoot(root, path, field, text);
}

/**
 * A plain path that data is to come from must be there now: the alternative is a machine that is paid for and then fails.
 * @throws ValidationError with the nearest name in its folder.
 */
export async function checkInputExists(location: string, field: string): Promise<void> {
  if (!isAbsolute(location) || (await kindOf(location)) !== "missing") return;
  const near = nearest(basename(location), await namesIn(dirname(location)));
  throw new ValidationError({
    what: `${field} ${JSON.stringify(location)} does not exist.`,
    fix: [
      near === undefined
        ? "Correct the path; a relative one starts at the project root."
        : `Did you mean ${JSON.stringify(join(dirname(location), near))}?`,
    ],
    context: { field, path: location },
  });
}

async function existingFolder(path: string, text: string): Promise<string> {
  const kind = await kindOf(path);
  if (kind === "folder") return path;
  const shown = JSON.stringify(text);
  throw new ValidationError({
    what: kind === "missing" ? `root ${shown} does not exist (looked for ${path}).` : `root ${shown} is not a folder.`,
    why: "The project root is the folder that is staged to the training machine.",
    fix:
      kind === "file"
        ? [`Write root: ${JSON.stringify(dirname(text))}, or leave root out.`]
        : ["Correct the path, or leave root out: it is then found from the script."],
    context: { field: "root", path },
  });
}

// People type paths from the current folder; with an explicit root they also think from there.
async function findScript(text: string, root: string | undefined, cwd: string): Promise<string> {
  const here = resolve(cwd, text);
  if (root === undefined || (await kindOf(here)) !== "missing") return here;
  const below = resolve(root, text);
  return (await kindOf(below)) === "missing" ? here : below;
}

async function checkFile(path: string, field: string, text: string): Promise<void> {
  const shown = JSON.stringify(text);
  const kind = await kindOf(path);
  const context = { field, path };
  if (kind === "missing") {
    const near = nearest(basename(path), await namesIn(dirname(path)));
    const fix =
      near === undefined
        ? "Correct the path; a relative one starts at the current folder, or at root where that is given."
        : `Did you mean ${JSON.stringify(join(dirname(text), near))}?`;
    throw new ValidationError({ what: `${field} ${shown} does not exist (looked for ${path}).`, fix: [fix], context });
  }
  if (kind === "folder") {
    const near = (await namesIn(path)).find((name) => ["train.py", "main.py", "__main__.py"].includes(name));
    throw new ValidationError({
      what: `${field} ${shown} is a folder, not a file.`,
      fix: [near === undefined ? "Name a file in it." : `Name a file in it, such as ${JSON.stringify(join(text, near))}.`],
      context,
    });
  }
  if (kind === "other")
    throw new ValidationError({ what: `${field} ${shown} is neither a file nor a folder.`, fix: ["Name a regular file."], context });
  try {
    // Opening is the only honest test: access(2) asks for the real user, not the effective one.
    await (await open(path, "r")).close();
  } catch (cause) {
    throw new ValidationError({
      what: `${field} ${shown} cannot be read.`,
      why: messageOf(cause),
      fix: [`Give yourself read permission: chmod u+r ${path}`],
      context,
      cause,
    });
  }
}

async function insideRoot(root: string, path: string, field: string, text: string): Promise<string> {
  const [realRoot, realPath] = await Promise.all([realpath(root), realpath(path)]);
  const lexical = relative(root, path);
  const real = relative(realRoot, realPath);
  if (escapes(real)) {
    throw new ConfigurationError({
      what: `${field} ${JSON.stringify(text)} is outside the project root ${root}.`,
      why: escapes(lexical)
        ? "Only the project root is staged to the training machine."
        : `It is a link to ${realPath}, and only the project root is staged.`,
      fix: [`Set root to a folder that contains both, such as ${commonFolder(realRoot, realPath)}, or move the file into the project.`],
      context: { field, root, path },
    });
  }
  // Reached through a link beside the root: its place inside the root is what counts.
  return (escapes(lexical) ? real : lexical).split(sep).join("/");
}

function escapes(path: string): boolean {
  return path === "" || path === ".." || path.startsWith(`..${sep}`) || isAbsolute(path);
}

function commonFolder(a: string, b: string): string {
  const left = a.split(sep);
  const right = dirname(b).split(sep);
  const end = left.findIndex((part, index) => part !== right[index]);
  return left.slice(0, end === -1 ? left.length : end).join(sep) || sep;
}

async function kindOf(path: string): Promise<"missing" | "file" | "folder" | "other"> {
  try {
    const info = await stat(path);
    return info.isFile() ? "file" : info.isDirectory() ? "folder" : "other";
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return "missing";
    throw new ValidationError({
      what: `${JSON.stringify(path)} cannot be looked at.`,
      why: messageOf(error),
      fix: code === "ENAMETOOLONG" ? ["Shorten the name."] : ["Check the permissions of the folders above it."],
      context: { path },
      cause: error,
    });
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
