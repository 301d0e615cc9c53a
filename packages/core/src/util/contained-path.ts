import { lstat, readlink, realpath } from "node:fs/promises";
import { dirname, isAbsolute, relative, resolve, sep } from "node:path";
import { ValidationError } from "../errors/kinds.ts";

/** True when the absolute path `path` is `root` or lies below it. Text only: symlinks are not looked at. */
export function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

/**
 * Where a path that may not exist yet really is: symlinks of its existing part resolved, the rest appended.
 * A dangling symlink is followed too, because writing through it would create its target.
 */
export async function realPathOf(path: string): Promise<string> {
  let at = path;
  const rest: string[] = [];
  for (let hops = 0; hops < 1000; hops += 1) {
    try {
      return resolve(await realpath(at), ...rest);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
    }
    const link = await lstat(at).then(
      (found) => (found.isSymbolicLink() ? readlink(at) : undefined),
      () => undefined,
    );
    if (link !== undefined) {
      at = resolve(dirname(at), link);
      continue;
    }
    const parent = dirname(at);
    if (parent === at) break;
    rest.unshift(relative(parent, at));
    at = parent;
  }
  return resolve(at, ...rest);
}

/**
 * `path` (relative to `root`, or absolute) as an absolute path that is certain to lie in `root`, symlinks included.
 * ".." is fine as long as the result stays inside: "data/../train.py" is. `field` names the setting in the error.
 * Throws ValidationError.
 */
export async function containedPath(root: string, path: string, field = "path"): Promise<string> {
  const full = resolve(root, path);
  if (path.includes("\0")) throw escaped(root, path, field, "it holds a NUL character");
  if (!isInside(resolve(root), full)) throw escaped(root, path, field, `it leads to ${JSON.stringify(full)}`);
  const real = await realPathOf(full).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ELOOP") throw escaped(root, path, field, "its symbolic links go in a circle");
    throw error;
  });
  const realRoot = await realPathOf(resolve(root));
  if (!isInside(realRoot, real)) throw escaped(root, path, field, `a symbolic link leads to ${JSON.stringify(real)}`);
  return full;
}

function escaped(root: string, path: string, field: string, how: string): ValidationError {
  return new ValidationError({
    what: `${field} ${JSON.stringify(path)} is outside ${JSON.stringify(root)}: ${how}.`,
    why: "Files outside that folder are never read or written through it.",
    fix: ['Use a path inside it, for example "data/train.csv".'],
    context: { field, path, root },
  });
}
