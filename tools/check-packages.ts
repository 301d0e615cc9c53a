// Packs every package and judges the tarballs as a user's tools will: publint for the manifest, attw for the types.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack, packages, root } from "./lib/workspace.ts";

const folder = mkdtempSync(join(tmpdir(), "runctl-packages-"));
try {
  for (const { name, folder: source } of packages()) {
    const tarball = pack(source, folder);
    // Judging the tarball needs no package manager on PATH.
    judge(`publint ${name}`, ["publint", "run", tarball, "--strict"]);
    judge(`attw ${name}`, ["attw", tarball, "--profile", "esm-only", "--no-emoji", "--format", "ascii"]);
    console.log(`${name}: ${Math.round(statSync(tarball).size / 1024)} KiB packed`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function judge(what: string, [program = "", ...args]: string[]): void {
  try {
    execFileSync(join(root, "node_modules", ".bin", program), args, { cwd: root, encoding: "utf8", stdio: "pipe" });
    console.log(`PASS ${what}`);
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    console.log(`FAIL ${what}\n${stdout}${stderr}`);
    process.exitCode = 1;
  }
}
