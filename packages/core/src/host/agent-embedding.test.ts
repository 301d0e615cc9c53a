import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { AGENT_ZIPAPP, BOOTSTRAP_SH, GUARDIAN_SH } from "./agent.generated.ts";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const GENERATED = fileURLToPath(new URL("./agent.generated.ts", import.meta.url));

describe("the embedded agent", () => {
  it("is the same bytes in every time zone and needs no python to be made", () => {
    let before: string | undefined;
    for (const zone of ["UTC", "Pacific/Auckland", "America/St_Johns"]) {
      const made = spawnSync(process.execPath, [join(ROOT, "tools/embed-agent.mjs")], {
        env: { PATH: "/nowhere", TZ: zone },
        encoding: "utf8",
      });
      expect(made.status, made.stderr).toBe(0);
      before ??= readFileSync(GENERATED, "utf8");
      expect(readFileSync(GENERATED, "utf8")).toBe(before);
    }
  });

  it("is small sh, and a zipapp that python runs as it is", () => {
    const lines = `${BOOTSTRAP_SH}${GUARDIAN_SH}`.trimEnd().split("\n").length;
    expect(lines).toBeLessThan(150);
    const folder = mkdtempSync(join(tmpdir(), "runctl-zipapp-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "agent.pyz");
    writeFileSync(file, Buffer.from(AGENT_ZIPAPP, "base64"));
    const usage = spawnSync("python3", ["-I", "-S", file], { encoding: "utf8" });
    expect(usage.stderr).toContain("usage:");
  });

  it.skipIf(spawnSync("shellcheck", ["--version"]).status !== 0)("has sh files that shellcheck finds nothing in", () => {
    const files = ["bootstrap.sh", "guardian.sh"].map((name) => join(ROOT, "packages/core/agent", name));
    expect(spawnSync("shellcheck", files, { encoding: "utf8" }).stdout).toBe("");
  });
});
