import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { hashFile } from "./hash-file.ts";

const base = mkdtempSync(join(tmpdir(), "runctl-hash "));
afterAll(() => rmSync(base, { recursive: true, force: true }));

describe("hashFile", () => {
  test.each([0, 1, 4 * 1024 * 1024 - 1, 4 * 1024 * 1024, 4 * 1024 * 1024 + 1, 13_000_000])("%i bytes", async (size) => {
    const bytes = Buffer.alloc(size, "runctl!");
    const path = join(base, `f ${size}\n`);
    writeFileSync(path, bytes);
    const seen: number[] = [];
    const found = await hashFile(path, { onProgress: (done) => seen.push(done) });
    expect(found).toEqual({ sha256: createHash("sha256").update(bytes).digest("hex"), sizeBytes: size });
    expect(seen.at(-1) ?? 0).toBe(size);
  });

  test("an abort surfaces as the caller's own reason, in the middle too", async () => {
    const path = join(base, "large");
    writeFileSync(path, Buffer.alloc(20_000_000));
    const reason = new Error("enough");
    await expect(hashFile(path, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    await expect(hashFile(path, { signal: controller.signal, onProgress: () => controller.abort(reason) })).rejects.toBe(reason);
  });

  test("a missing file and a folder are the system's errors", async () => {
    await expect(hashFile(join(base, "none"))).rejects.toMatchObject({ code: "ENOENT" });
    await expect(hashFile(base)).rejects.toMatchObject({ code: "EISDIR" });
  });
});
