import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { containedPath } from "./contained-path.ts";

let dir = "";
let root = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "runctl-contain-"));
  root = join(dir, "root");
  mkdirSync(join(root, "sub"), { recursive: true });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

it("allows what stays inside, also by way of ..", async () => {
  writeFileSync(join(root, "file"), "");
  symlinkSync("../file", join(root, "sub", "in"));
  for (const path of ["file", "sub/../file", ".", "sub/in", "not/yet/there", "..dots", join(root, "file"), "a b\n'"]) {
    await expect(containedPath(root, path), path).resolves.toContain(root);
  }
});

it("refuses what leads out, by text or by symbolic link, also to what does not exist yet", async () => {
  symlinkSync("..", join(root, "up"));
  symlinkSync(join(dir, "not-yet"), join(root, "dangling"));
  symlinkSync("loop", join(root, "loop"));
  mkdirSync(join(dir, "root-neighbour"));
  for (const path of [
    "..",
    "../x",
    "sub/../../x",
    "/etc/passwd",
    "up/x",
    "up",
    "dangling",
    "dangling/x",
    "loop/x",
    "../root-neighbour",
    "a\0b",
  ]) {
    await expect(containedPath(root, path, "inputs[0].to"), path).rejects.toMatchObject({
      kind: "validation",
      what: expect.stringContaining("inputs[0].to"),
    });
  }
});

it("follows the root itself when it is a symbolic link", async () => {
  symlinkSync("root", join(dir, "alias"));
  await expect(containedPath(join(dir, "alias"), "sub/x")).resolves.toBe(join(dir, "alias/sub/x"));
});
