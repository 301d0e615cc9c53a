import { type FileHandle, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { memoryStore } from "../storage/memory-store.ts";
import { sha256Hex } from "../util/hash.ts";
import { PackWriter } from "./pack-writer.ts";

let spool: string;
beforeEach(async () => {
  spool = await mkdtemp(join(tmpdir(), "runctl-pack-"));
});
afterEach(() => rm(spool, { recursive: true, force: true }));

describe("PackWriter", () => {
  it("a put that fails closes its own file only, never one that got its number since", async () => {
    let others: FileHandle | undefined;
    const store = {
      ...memoryStore(),
      put: async () => {
        // The lowest free number: the one that the finished pack had.
        others = await open(spool, "r");
        throw new Error("the store is away");
      },
    };
    const writer = new PackWriter({
      store,
      prefix: "memory://x/",
      spool,
      packBytes: 1024,
      signal: new AbortController().signal,
      onSealed: () => undefined,
      onStored: () => undefined,
    });
    const bytes = Buffer.from("x");
    await writer.add(sha256Hex("x"), bytes);
    await expect(writer.finish()).rejects.toThrow("the store is away");
    await expect(others?.stat()).resolves.toBeDefined();
    await others?.close();
  });
});
