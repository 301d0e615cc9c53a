import { z } from "zod";
import { compareBytes } from "../util/byte-order.ts";
import { sha256Hex } from "../util/hash.ts";

/** A file of a snapshot: its content is `size` bytes at `offset` of pack number `pack`. */
export interface TreeFile {
  path: string;
  size: number;
  sha256: string;
  mode: "644" | "755";
  pack: number;
  offset: number;
}

/** `code/trees/<sha256>.json`: what a working directory looks like and where its bytes are. Read by the host agent. */
export interface TreeManifest {
  v: 1;
  files: TreeFile[];
  links: Array<{ path: string; target: string }>;
  /** Folders that hold nothing else. */
  dirs: string[];
  /** Keys of the packs, relative to the store's prefix. A pack is the concatenation of blobs. */
  packs: string[];
}

const manifestSchema: z.ZodType<TreeManifest> = z.lazy(() =>
  z.object({
    v: z.literal(1),
    files: z.array(
      z.object({
        path: z.string(),
        size: z.number().int().nonnegative(),
        sha256: z.string().length(64),
        mode: z.enum(["644", "755"]),
        pack: z.number().int().nonnegative(),
        offset: z.number().int().nonnegative(),
      }),
    ),
    links: z.array(z.object({ path: z.string(), target: z.string() })),
    dirs: z.array(z.string()),
    packs: z.array(z.string()),
  }),
);

/** Parses a manifest; undefined for anything else. */
export function parseTreeManifest(bytes: Uint8Array): TreeManifest | undefined {
  try {
    const result = manifestSchema.safeParse(JSON.parse(Buffer.from(bytes).toString("utf8")));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}

/** What a tree's digest covers: content and names, not where the bytes are. */
export interface TreeContent {
  files: ReadonlyArray<{ path: string; size: number; sha256: string; mode: string }>;
  links: ReadonlyArray<{ path: string; target: string }>;
  dirs: readonly string[];
}

/** Sorts by path in byte order, in place. */
export function sortByPath<T extends { path: string }>(items: T[]): T[] {
  return items.sort((a, b) => compareBytes(a.path, b.path));
}

/**
 * SHA-256 of the canonical JSON `{"dirs":[…],"files":[[path,size,sha256,mode]…],"links":[[path,target]…]}`.
 * All three must be sorted by path. The keys are written in their sorted order and hold arrays only, so this is `canonicalJson`
 * without its cost.
 */
export function treeDigest(tree: TreeContent): string {
  // Digests and modes need no escaping, and 10,000 small arrays would only be garbage.
  let files = "";
  for (const file of tree.files)
    files += `${files === "" ? "" : ","}[${JSON.stringify(file.path)},${file.size},"${file.sha256}","${file.mode}"]`;
  const links = tree.links.map((link) => [link.path, link.target]);
  return sha256Hex(`{"dirs":${JSON.stringify(tree.dirs)},"files":[${files}],"links":${JSON.stringify(links)}}`);
}

export function treeKey(sha256: string): string {
  return `code/trees/${sha256}.json`;
}

export function packKey(sha256: string): string {
  return `code/packs/${sha256}.pack`;
}
