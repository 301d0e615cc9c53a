import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { fileStore } from "../storage/file-store.ts";
import { pathToFileUri } from "../storage/file-uri.ts";
import { ODD_NAMES } from "../storage/odd-names.test-helper.ts";
import { snapshotCode } from "./snapshot-code.ts";

const agent = fileURLToPath(new URL("../../agent/", import.meta.url));
const program = `
import sys, threading
from unittest import mock
sys.path.insert(0, sys.argv[1])
from runctl_agent.setup.stage import materialise
from runctl_agent.store import open_store
root, key, sha, work, attempt = sys.argv[2:]
ctx = mock.MagicMock(dir=attempt, work=work, cancelled=threading.Event())
ctx.uptime.return_value = 0.0
materialise(ctx, open_store("", {"kind": "file", "settings": {"root": root}}, {}), key, sha, work)
`;

it("S-03 what is stored here is what the host agent builds there", async () => {
  const dir = mkdtempSync(join(tmpdir(), "runctl-stage-"));
  try {
    const root = join(dir, "project");
    const put = (path: string, text: string): void => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    };
    for (const name of ODD_NAMES) put(`${name}/${name}`, name);
    put("\u{1f980}", "beyond the basic plane");
    put("\uff5e", "sorts differently in UTF-16");
    put("run.sh", "#!/bin/sh\n");
    put("large", "x".repeat(17 * 1024 * 1024));
    chmodSync(join(root, "run.sh"), 0o755);
    mkdirSync(join(root, "empty"));
    symlinkSync("run.sh", join(root, "link"));
    const store = join(dir, "store");
    const done = await snapshotCode({ root, store: fileStore(), prefix: pathToFileUri(store), packBytes: 30 });
    const work = join(dir, "work");
    mkdirSync(join(dir, "attempt"));
    execFileSync("python3", ["-B", "-c", program, agent, store, done.manifestKey, done.sha256, work, join(dir, "attempt")]);
    execFileSync("diff", ["-r", "--no-dereference", root, work]);
    expect(statSync(join(work, "run.sh")).mode & 0o111).not.toBe(0);
    expect(statSync(join(work, "large")).mode & 0o111).toBe(0);
    expect(readlinkSync(join(work, "link"))).toBe("run.sh");
    expect(readFileSync(join(work, ODD_NAMES[3] ?? "", ODD_NAMES[3] ?? ""), "utf8")).toBe(ODD_NAMES[3]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
