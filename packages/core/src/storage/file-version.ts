import type { BigIntStats } from "node:fs";
import { lstat, stat } from "node:fs/promises";
import { errnoOf } from "./file-errors.ts";

/** Names that listings never show and that no object may have. The host agent uses the same prefix. */
export const HIDDEN_PREFIX = ".runctl-tmp-";

/**
 * The version of a file: (inode, size, modification time in ns).
 * Why this is enough: every put makes a new inode while the old one still exists, so a version and its successor never share
 * one; and a successor's modification time is forced above its predecessor's (see file-put.ts), so a later version that gets
 * an old inode again differs in time. A content hash would make `head` and `list` read every byte. Not seen: a program that
 * rewrites a file in place within one tick of the file system's clock, keeping its size.
 */
export function etagOf(stats: BigIntStats): string {
  return `${stats.ino.toString(36)}-${stats.size.toString(36)}-${stats.mtimeNs.toString(36)}`;
}

/** Stat of an object's file, following a symlink to a regular file; undefined when there is no regular file. */
export async function statObject(path: string): Promise<BigIntStats | undefined> {
  try {
    const found = await stat(path, { bigint: true });
    return found.isFile() ? found : undefined;
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errnoOf(error))) return undefined;
    throw error;
  }
}

/** Like `statObject`, but the name itself: a symlink counts as what it is. */
export async function lstatObject(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error))) return undefined;
    throw error;
  }
}
