import { compareBytes } from "../../util/byte-order.ts";
import {
  baseName,
  COMPONENT,
  COMPOSER_FILE,
  DEEPSPEED_SHARD,
  extension,
  FILE_LIKE_DIR,
  INDEX_JSON,
  isDigits,
  isTemporaryDir,
  isTemporaryFile,
  joinPath,
  NAMED_DIR,
  NUMBERED_DIR,
  OTHER_EXTENSIONS,
  SHARD_OF,
  SIDE_EXTENSIONS,
  SIDE_JSON,
  stem,
  TF_DATA,
  TRACKERS,
  WEIGHT_EXTENSIONS,
} from "./names.ts";

// Which files of a folder belong together as one checkpoint. The host agent's twin is agent/runctl_agent/ckpt/layout.py.

/** How a group of files is judged. */
export type UnitFormat =
  | "file"
  | "sharded"
  | "shards"
  | "tensorflow"
  | "composer"
  | "hf-trainer"
  | "accelerate"
  | "dcp"
  | "deepspeed"
  | "megatron"
  | "orbax"
  | "bytecheckpoint"
  | "folder";

/** One checkpoint: `path` as the script knows it ("." for the whole folder), `files` relative to the same root, sorted. */
export interface CheckpointUnit {
  path: string;
  kind: "file" | "dir";
  format: UnitFormat;
  files: string[];
}

/** A folder of a listing. */
export interface FolderNode {
  path: string;
  files: Set<string>;
  dirs: Map<string, FolderNode>;
}

/** Folders and files of a flat listing of relative POSIX paths. */
export function folderTree(paths: Iterable<string>): FolderNode {
  const root: FolderNode = { path: "", files: new Set(), dirs: new Map() };
  for (const path of paths) {
    const parts = path.split("/");
    let node = root;
    for (const part of parts.slice(0, -1)) {
      let below = node.dirs.get(part);
      if (below === undefined) {
        below = { path: joinPath(node.path, part), files: new Set(), dirs: new Map() };
        node.dirs.set(part, below);
      }
      node = below;
    }
    node.files.add(baseName(path));
  }
  return root;
}

/** Every file that is not temporary, folders that are being written left out. */
export function filesBelow(node: FolderNode): string[] {
  const found: string[] = [];
  for (const name of node.files) if (!isTemporaryFile(name)) found.push(joinPath(node.path, name));
  for (const [name, below] of node.dirs) if (!isTemporaryDir(name)) for (const path of filesBelow(below)) found.push(path);
  return found;
}

/** The checkpoints in a listing of regular files (links left out), in order of path. */
export function findUnits(paths: Iterable<string>): CheckpointUnit[] {
  const units: CheckpointUnit[] = [];
  visit(folderTree(paths), "", units);
  return units.sort((a, b) => compareBytes(a.path, b.path));
}

function visit(node: FolderNode, name: string, units: CheckpointUnit[]): void {
  const format = dirFormat(node, name);
  if (format !== undefined) {
    const files = filesBelow(node);
    if (files.length > 0) units.push({ path: node.path === "" ? "." : node.path, kind: "dir", format, files: files.sort(compareBytes) });
    return;
  }
  groupFiles(node, units);
  for (const [below, child] of node.dirs) if (!isTemporaryDir(below)) visit(child, below, units);
}

function formatByName(node: FolderNode, name: string): UnitFormat | undefined {
  if (/^checkpoint-[0-9]+$/.test(name)) return "hf-trainer";
  if (/^checkpoint_[0-9]+$/.test(name)) return "accelerate";
  if (/^global_step[0-9]+$/.test(name)) return "deepspeed";
  if (/^iter_[0-9]{7}$/.test(name)) return "megatron";
  if (name === "release" && [...node.dirs.keys()].some((child) => child.startsWith("mp_rank_"))) return "megatron";
  return undefined;
}

function hasDcp(node: FolderNode): boolean {
  return node.files.has(".metadata") || node.files.has(".metadata.tmp") || [...node.files].some((file) => file.endsWith(".distcp"));
}

function orbaxBelow(node: FolderNode, depth: number): boolean {
  if (["_METADATA", "manifest.ocdbt", "_sharding"].some((file) => node.files.has(file))) return true;
  return depth > 0 && [...node.dirs.values()].some((child) => orbaxBelow(child, depth - 1));
}

/** The format of a folder that is a checkpoint as a whole; undefined for a folder that merely holds checkpoints. */
export function dirFormat(node: FolderNode, name: string): UnitFormat | undefined {
  const byName = formatByName(node, name);
  if (byName !== undefined) return byName;
  const fileLike = FILE_LIKE_DIR.test(name);
  if ([...node.dirs].some(([below, child]) => formatByName(child, below) !== undefined)) return fileLike ? "folder" : undefined;
  if (node.files.has("_CHECKPOINT_METADATA") || node.files.has("commit_success.txt")) return "orbax";
  const parts = ["model", "optimizer", "extra_state"].flatMap((part) => node.dirs.get(part) ?? []);
  if (parts.length >= 2 && parts.some(hasDcp)) return "bytecheckpoint";
  if (hasDcp(node)) return "dcp";
  const files = [...node.files];
  if (files.some((file) => DEEPSPEED_SHARD.test(file))) return "deepspeed";
  if (node.files.has("saved_model.pb")) return "tensorflow";
  if (files.some((file) => file.startsWith("random_states_") && file.endsWith(".pkl"))) return "accelerate";
  if (isDigits(name) && orbaxBelow(node, 2)) return "orbax";
  if (name === "") return isComponentSet(node) && node.dirs.size === 0 ? "folder" : undefined;
  if (fileLike || NUMBERED_DIR.test(name) || NAMED_DIR.test(name)) {
    // Such a folder that only holds further checkpoint folders is a shelf, not a checkpoint.
    const shelf =
      files.every(isTemporaryFile) &&
      [...node.dirs].some(([below, child]) => !isTemporaryDir(below) && dirFormat(child, below) !== undefined);
    if (shelf) return fileLike ? "folder" : undefined;
    return filesBelow(node).length > 0 ? "folder" : undefined;
  }
  return isComponentSet(node) ? "folder" : undefined;
}

/** model.pt beside optimizer.pt, or weights beside config.json: parts of one save that make no sense alone. */
function isComponentSet(node: FolderNode): boolean {
  let parts = 0;
  for (const name of node.files) {
    if (WEIGHT_EXTENSIONS.has(extension(name))) {
      if (!COMPONENT.test(stem(name))) return false;
      parts += 1;
    } else if (INDEX_JSON.test(name) && node.files.has("config.json")) {
      return true;
    }
  }
  return parts >= 2 || (parts === 1 && (node.files.has("config.json") || node.files.has("adapter_config.json")));
}

function groupFiles(node: FolderNode, units: CheckpointUnit[]): void {
  const left = new Set([...node.files].filter((name) => !isTemporaryFile(name) && !TRACKERS.has(name)).sort(compareBytes));
  const take = (path: string, format: UnitFormat, members: string[]): void => {
    for (const name of members) left.delete(name);
    units.push({
      path: joinPath(node.path, path),
      kind: "file",
      format,
      files: members.map((name) => joinPath(node.path, name)).sort(compareBytes),
    });
  };
  for (const [prefix, members] of tensorflowGroups(left)) take(prefix, "tensorflow", members);
  for (const index of [...left].filter((name) => INDEX_JSON.test(name))) take(index, "sharded", indexedMembers(left, index));
  for (const [base, members] of groupsOf(left, (name) => COMPOSER_FILE.exec(name)?.[1])) take(`${base}-rank0.pt`, "composer", members);
  for (const members of groupsOf(left, shardKey).values()) take(members.sort(compareBytes)[0] ?? "", "shards", members);
  const weights = [...left].filter((name) => WEIGHT_EXTENSIONS.has(extension(name)));
  const sides = groupsOf(left, (name) => (SIDE_EXTENSIONS.has(extension(name)) ? stem(name) : undefined));
  for (const name of weights) {
    const own = stem(name);
    take(name, "file", [name, ...(sides.get(own) ?? [])]);
    sides.delete(own);
  }
  for (const name of [...left]) {
    const ext = extension(name);
    if (ext === ".json") {
      // Beside real weights a JSON file describes something; alone it may be a plain-Python script's own checkpoint.
      if (weights.length === 0 && !SIDE_JSON.test(name) && !INDEX_JSON.test(name)) take(name, "file", [name]);
    } else if (!OTHER_EXTENSIONS.has(ext) && !name.startsWith("events.out.tfevents") && !name.startsWith("README") && name !== "LICENSE") {
      take(name, "file", [name]);
    }
  }
}

function groupsOf(left: Set<string>, key: (name: string) => string | undefined): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const name of left) {
    const group = key(name);
    if (group === undefined) continue;
    const members = groups.get(group);
    if (members === undefined) groups.set(group, [name]);
    else members.push(name);
  }
  return groups;
}

function shardKey(name: string): string | undefined {
  const found = SHARD_OF.exec(name);
  if (found === null || !WEIGHT_EXTENSIONS.has(extension(name))) return undefined;
  return `${found[1]}\n${found[3]}\n${found[4]}`;
}

function tensorflowGroups(left: Set<string>): Map<string, string[]> {
  const groups = groupsOf(left, (name) => TF_DATA.exec(name)?.[1]);
  for (const name of left) {
    if (!name.endsWith(".index")) continue;
    const prefix = name.slice(0, -6);
    const members = groups.get(prefix);
    // An index without data is only TensorFlow's when its name says so.
    if (members !== undefined) members.push(name);
    else if (prefix.startsWith("ckpt")) groups.set(prefix, [name]);
  }
  return groups;
}

function indexedMembers(left: Set<string>, index: string): string[] {
  const found = INDEX_JSON.exec(index);
  const members = [index];
  for (const name of left) {
    const shard = SHARD_OF.exec(name);
    if (shard !== null && shard[1] === found?.[1] && shard[4] === `.${found?.[2]}`) members.push(name);
  }
  return members;
}
