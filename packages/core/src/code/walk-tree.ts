import { createHash } from "node:crypto";
import { type Dirent, lstatSync, readdirSync, readlinkSync, realpathSync, type Stats } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { SyncError } from "../errors/kinds.ts";
import { compareBytes } from "../util/byte-order.ts";
import type { Clock } from "../util/clock.ts";
import { isInside } from "../util/contained-path.ts";
import { timeSlice } from "../util/time-slice.ts";
import { type CodeRemarks, noRemarks } from "./code-notices.ts";
import { ENVIRONMENT_MARKERS, isJunk, looksSecret, STATE_FOLDER } from "./default-excludes.ts";
import { type FolderRules, isIgnored, patternMatcher, rulesAboveRoot, rulesOfFolder } from "./ignore-rules.ts";
import { type IncludeRules, includeRules } from "./include-rules.ts";
import { staysInside } from "./link-targets.ts";
import type { FileStat, KnownFiles } from "./stat-index.ts";
import { sortByPath } from "./tree-manifest.ts";

export interface WalkedFile extends FileStat {
  /** Relative to the root, "/" between segments. */
  path: string;
  mode: "644" | "755";
  /** Digest of the content when an earlier snapshot has read this very version; else "". */
  sha256: string;
}

export interface WalkedTree {
  files: WalkedFile[];
  links: Array<{ path: string; target: string }>;
  /** Folders without any included entry. */
  dirs: string[];
  remarks: CodeRemarks;
  /** Digest of everything that decided which files belong. */
  rules: string;
}

export interface WalkOptions {
  /** Absolute, without symlinks. */
  root: string;
  include: readonly string[];
  exclude: readonly string[];
  /** Folders relative to the root that nothing re-includes. */
  excludeDirs: readonly string[];
  clock: Clock;
  signal?: AbortSignal | undefined;
  /** Files that an earlier walk found under rules of this digest: their rules need not be tried again while the digest holds. */
  remembered?: { rules: string; files: KnownFiles } | undefined;
}

function unreadable(path: string, error: unknown): SyncError {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  return new SyncError({
    what: `${JSON.stringify(path)} cannot be read${code === "" ? "" : ` (${code})`}.`,
    why: "A snapshot without it would not be the project you see.",
    fix: [`Make it readable, for example chmod u+r ${JSON.stringify(path)}.`, "Or leave it out: add it to .runctlignore or `exclude`."],
    context: { path, errno: code },
    cause: error,
  });
}

function refuseBadNames(folder: string): void {
  for (const raw of readdirSync(folder, { encoding: "buffer" })) {
    if (Buffer.from(raw.toString("utf8")).equals(raw)) continue;
    throw new SyncError({
      what: `${JSON.stringify(folder)} holds a name that is not valid UTF-8: ${raw.toString("latin1")}.`,
      why: "It cannot be written into a manifest, nor be trusted to arrive under the same name.",
      fix: ["Rename it, or exclude the folder that holds it."],
      context: { folder },
    });
  }
}

/** Every file, link and empty folder that belongs to the snapshot. Gives way to the event loop; throws SyncError. */
export async function walkTree(options: WalkOptions): Promise<WalkedTree> {
  const { remembered } = options;
  const tree = await walkOnce(options, remembered !== undefined && remembered.files.count > 0);
  // Which rules there are is known at the end only. They seldom change, so the walk trusts and, when it was wrong, goes again.
  return remembered === undefined || remembered.files.count === 0 || remembered.rules === tree.rules ? tree : walkOnce(options, false);
}

async function walkOnce(options: WalkOptions, trustRules: boolean): Promise<WalkedTree> {
  const { root } = options;
  const include = includeRules(options.include);
  const excluded = patternMatcher(options.exclude);
  const hard = new Set(options.excludeDirs.map((folder) => folder.replace(/\/+$/, "")));
  const slice = timeSlice(options.clock, options.signal);
  const known = options.remembered?.files;
  const passed = trustRules ? known : undefined;
  const above = rulesAboveRoot(root);
  const digest = createHash("sha256").update(
    JSON.stringify([1, options.include, options.exclude, options.excludeDirs, above.map((rule) => [rule.above, rule.text])]),
  );
  const files: WalkedFile[] = [];
  const links: Array<{ path: string; target: string }> = [];
  const folders: string[] = [];
  /** Folders that hold a file themselves, with the slash. */
  const filled: string[] = [];
  const remarks = noRemarks();
  // Entries are taken in byte order of the whole paths (a folder sorts as its name with the slash), so nothing is sorted at the end.
  const stack: Frame[] = [{ path: "", rules: above, ignored: false, filled: false, entries: undefined, next: 0 }];

  for (let at = stack.at(-1); at !== undefined; at = stack.at(-1)) {
    if (at.entries === undefined) {
      const inherited = at.rules;
      const opened = openFolder(root, at, include);
      if (at.rules !== inherited) digest.update(JSON.stringify([at.path, at.rules.at(-1)?.text]));
      if (opened === undefined) {
        stack.pop();
        continue;
      }
      at.entries = opened;
      if (at.path !== "" && !at.ignored) folders.push(at.path.slice(0, -1));
    }
    const entry = at.entries[at.next];
    at.next += 1;
    if (entry === undefined) {
      stack.pop();
      continue;
    }
    if (slice.due()) await slice.pause();
    const { name } = entry;
    const path = at.path + name;
    if (name === STATE_FOLDER || hard.has(path)) continue;
    const isFolder = entry.isDirectory();
    const tested = isFolder ? `${path}/` : path;
    if (isJunk(name) && !include.names(tested)) continue;
    if (excluded?.(tested) === true) continue;
    if (isFolder) {
      if (looksSecret(name, true) && !include.isExactly(path)) {
        if (!isIgnored(at.rules, tested)) remarks.secretsLeftOut.push(tested);
        continue;
      }
      const ignored = (at.ignored || isIgnored(at.rules, tested)) && !include.matches(tested);
      if (!ignored || include.mayMatchBelow(tested))
        stack.push({ path: tested, rules: at.rules, ignored, filled: false, entries: undefined, next: 0 });
      continue;
    }
    const ignored = passed?.has(path) !== true && (at.ignored || isIgnored(at.rules, path)) && !include.matches(path);
    if (looksSecret(name, false)) {
      if (!include.isExactly(path)) {
        if (!ignored) remarks.secretsLeftOut.push(path);
        continue;
      }
      remarks.secretsIncluded.push(path);
    }
    if (ignored) continue;
    if (entry.isSymbolicLink()) {
      const target = linkInside(root, path);
      if (target === undefined) remarks.linksOutside.push(path);
      else links.push({ path, target });
    } else if (!entry.isFile()) {
      remarks.specialFiles.push(path);
    } else {
      const found = statOf(`${root}/${path}`);
      if (found === undefined) continue;
      const { size, mtimeMs, ctimeMs, ino } = found;
      const mode = (found.mode & 0o100) === 0 ? "644" : "755";
      files.push({ path, mode, size, mtimeMs, ctimeMs, ino, sha256: known?.sameAs(path, found) ?? "" });
      if (!at.filled) filled.push(at.path);
      at.filled = true;
    }
  }
  const targets = new Map(links.map((link) => [link.path, link.target]));
  for (const link of [...links]) {
    if (staysInside(link.path, link.target, targets)) continue;
    links.splice(links.indexOf(link), 1);
    remarks.linksOutside.push(link.path);
  }
  const dirs = emptyFolders(folders, [...filled.map((path) => ({ path })), ...links]);
  const all = links.length === 0 ? undefined : new Set([...files.map((file) => file.path), ...links.map((link) => link.path), ...folders]);
  for (const link of links) {
    const target = relative(root, resolve(root, dirname(link.path), link.target));
    // A way through another link is not followed here.
    const throughLink = [...targets.keys()].some((other) => target.startsWith(`${other}/`));
    if (target !== "" && all?.has(target) !== true && !throughLink) remarks.linksDangling.push(link.path);
  }
  return { files, links, dirs, remarks, rules: digest.digest("hex") };
}

interface Frame {
  path: string;
  rules: readonly FolderRules[];
  ignored: boolean;
  /** Holds a file that belongs to the tree. */
  filled: boolean;
  /** Sorted; undefined until the folder is opened. */
  entries: Dirent[] | undefined;
  next: number;
}

/** Reads a folder and adds its own rules to the frame. undefined: removed meanwhile, or a virtual environment. */
function openFolder(root: string, frame: Frame, include: IncludeRules): Dirent[] | undefined {
  const folder = `${root}/${frame.path}`;
  let entries: Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (frame.path !== "" && (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unreadable(folder, error);
  }
  let git = false;
  let runctl = false;
  for (const entry of entries) {
    if (entry.name === ".gitignore") git = true;
    else if (entry.name === ".runctlignore") runctl = true;
    else if (entry.name.includes("\uFFFD")) refuseBadNames(folder);
    else if (ENVIRONMENT_MARKERS.has(entry.name) && frame.path !== "" && !include.names(frame.path)) return undefined;
  }
  const own = git || runctl ? rulesOfFolder(folder, frame.path, { git, runctl }) : undefined;
  if (own !== undefined) frame.rules = [...frame.rules, own];
  return sortEntries(entries);
}

/** In the order of their whole paths: a folder sorts as its name with the slash. */
function sortEntries(entries: Dirent[]): Dirent[] {
  if (!entries.some((entry) => entry.isDirectory())) return entries.sort((a, b) => compareBytes(a.name, b.name));
  const keys = new Map(entries.map((entry) => [entry, entry.isDirectory() ? `${entry.name}/` : entry.name]));
  return entries.sort((a, b) => compareBytes(keys.get(a) ?? "", keys.get(b) ?? ""));
}

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unreadable(path, error);
  }
}

/** The link's target, relative, when it and what it really leads to are inside the root. */
function linkInside(root: string, path: string): string | undefined {
  const full = join(root, path);
  let target: string;
  try {
    target = readlinkSync(full);
  } catch (error) {
    throw unreadable(full, error);
  }
  if (target.includes("\uFFFD")) return undefined;
  const lexical = resolve(dirname(full), target);
  if (!isInside(root, lexical)) return undefined;
  try {
    if (!isInside(root, realpathSync(full))) return undefined;
  } catch (error) {
    // Broken and circular links are the project's own business; they stay as they are.
    if (!["ENOENT", "ENOTDIR", "ELOOP"].includes((error as NodeJS.ErrnoException).code ?? "")) throw unreadable(full, error);
  }
  return isAbsolute(target) ? relative(dirname(full), lexical) || "." : target;
}

function emptyFolders(folders: readonly string[], content: ReadonlyArray<{ path: string }>): string[] {
  const full = new Set<string>();
  const mark = (path: string): void => {
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      const folder = path.slice(0, at);
      if (full.has(folder)) return;
      full.add(folder);
    }
  };
  for (const item of content) mark(item.path);
  const empty: Array<{ path: string }> = [];
  // Deepest first, so that a folder that holds only an empty one is not listed beside it.
  for (const path of [...folders].sort((a, b) => b.length - a.length)) {
    if (full.has(path)) continue;
    empty.push({ path });
    mark(path);
  }
  return sortByPath(empty).map((item) => item.path);
}
