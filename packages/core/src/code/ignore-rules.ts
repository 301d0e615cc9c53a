import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import ignore, { type Ignore } from "ignore";

/** git's own default: names differ by case except where the file system folds it. */
const IGNORE_CASE = process.platform === "darwin";

/** The rules of one folder, for paths below it. */
export interface FolderRules {
  /** Path of that folder relative to the project root with a trailing slash, "" for the root. */
  base: string;
  matcher: Ignore;
  /** The lines, to tell later whether they have changed. */
  text: string;
  /** For rules of folders above the root: the root's path below them, with a trailing slash. */
  above: string;
}

function newMatcher(): Ignore {
  return ignore({ ignoreCase: IGNORE_CASE });
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8").replace(/^\uFEFF/, "");
  } catch {
    return "";
  }
}

/** Rules of one folder: `.gitignore`, then `.runctlignore`, whose lines win. undefined when there are none. */
export function rulesOfFolder(folder: string, base: string, names: { git: boolean; runctl: boolean }): FolderRules | undefined {
  const text = [names.git ? readIfThere(join(folder, ".gitignore")) : "", names.runctl ? readIfThere(join(folder, ".runctlignore")) : ""];
  if (text.every((part) => part.trim() === "")) return undefined;
  return { base, above: "", text: text.join("\n"), matcher: newMatcher().add(text.join("\n")) };
}

/**
 * What git would apply from above the root: `.git/info/exclude` of the repository and the `.gitignore` files between the
 * repository's top and the root, lowest precedence first.
 */
export function rulesAboveRoot(root: string): FolderRules[] {
  let top = root;
  while (!existsSync(join(top, ".git"))) {
    const parent = dirname(top);
    if (parent === top) return [];
    top = parent;
  }
  const rules: FolderRules[] = [];
  const wayDown = relative(top, root);
  const add = (folder: string, text: string): void => {
    const way = relative(folder, root).split("\\").join("/");
    if (text.trim() !== "") rules.push({ base: "", above: way === "" ? "" : `${way}/`, text, matcher: newMatcher().add(text) });
  };
  add(top, readIfThere(join(top, ".git", "info", "exclude")));
  let at = top;
  for (const part of wayDown === "" ? [] : wayDown.split("/")) {
    add(at, readIfThere(join(at, ".gitignore")));
    at = join(at, part);
  }
  return rules;
}

/** git's rule: the deepest file that says something about the path decides. `path` is relative to the root, folders end in "/". */
export function isIgnored(rules: readonly FolderRules[], path: string): boolean {
  for (let n = rules.length - 1; n >= 0; n -= 1) {
    const rule = rules[n];
    if (rule === undefined) continue;
    const result = rule.matcher.test(rule.above + path.slice(rule.base.length));
    if (result.ignored) return true;
    if (result.unignored) return false;
  }
  return false;
}

/** The user's `include` or `exclude`: the syntax of a .gitignore line, relative to the root. */
export function patternMatcher(patterns: readonly string[]): ((path: string) => boolean) | undefined {
  if (patterns.length === 0) return undefined;
  const matcher = newMatcher().add(patterns.map((pattern) => pattern.replace(/^\.\//, "/")));
  return (path) => matcher.ignores(path);
}
