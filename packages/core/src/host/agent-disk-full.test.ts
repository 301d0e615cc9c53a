import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AttemptFixture, until } from "./testing/attempt-fixture.ts";

/** A small ext4 in a file, mounted. undefined: no rights or tools for that here. */
function smallDisk(): { path: string; remove: () => void } | undefined {
  const root = mkdtempSync(join(tmpdir(), "runctl-disk-"));
  const image = join(root, "image");
  const path = join(root, "mount");
  mkdirSync(path);
  const ok =
    spawnSync("truncate", ["-s", "24M", image]).status === 0 &&
    spawnSync("mkfs.ext4", ["-q", "-m", "0", "-F", image]).status === 0 &&
    spawnSync("mount", ["-o", "loop", image, path]).status === 0;
  if (ok)
    return {
      path,
      remove: () => {
        spawnSync("umount", ["-l", path]);
        rmSync(root, { recursive: true, force: true });
      },
    };
  rmSync(root, { recursive: true, force: true });
  return undefined;
}

const probe = smallDisk();
probe?.remove();

// Needs root and loop devices.
describe.skipIf(probe === undefined)("a full disk under the attempt's folder", () => {
  let disk: { path: string; remove: () => void };
  let host: AttemptFixture;
  beforeEach(() => {
    disk = smallDisk() as typeof disk;
    host = new AttemptFixture({ home: join(disk.path, "home") });
  });
  afterEach(() => {
    host.dispose();
    disk.remove();
  });

  const FILL = `import os,sys,time
block = b"x" * 4096
with open("fill", "wb", buffering=0) as f:
    try:
        while True: f.write(block)
    except OSError: pass
`;

  function recordsAreWhole(names: string[], attempt: ReturnType<AttemptFixture["attempt"]>): void {
    for (const name of names) expect(statSync(join(host.dir(attempt), name)).size, name).toBeGreaterThan(0);
  }

  it("does not kill a training that goes on, keeps every record whole, and tells the end out of its reserve", async () => {
    const gate = join(host.store, "gate");
    const attempt = host.attempt({
      argv: ["python3", "-c", `${FILL}\nwhile not os.path.exists(${JSON.stringify(gate)}): time.sleep(0.05)\nsys.exit(0)`],
    });
    await host.start(attempt);
    await until("the disk is seen full", () => host.storedEvents(attempt).includes("disk is full"));
    expect(host.carrying(attempt).length).toBeGreaterThan(0);
    recordsAreWhole(["status.json", "runner.json", "attempt.json", "guard.conf"], attempt);
    await host.session.write(gate, "");
    expect(await host.final(attempt)).toMatchObject({ cause: "exit", code: 0, lost: [] });
    recordsAreWhole(["status.json", "exit.json", "final.json"], attempt);
  });

  it("names the full disk as the cause when the training failed on it", async () => {
    const attempt = host.attempt({ argv: ["python3", "-c", `${FILL}\nsys.exit(1)`] });
    await host.start(attempt);
    const final = await host.final(attempt);
    expect(final).toMatchObject({ cause: "disk-full", code: 1 });
    expect(final.error?.what).toContain("full");
    recordsAreWhole(["status.json", "exit.json", "final.json"], attempt);
  });

  it("can still be stopped politely: command and notice are written out of the reserve", async () => {
    const attempt = host.attempt({
      argv: [
        "python3",
        "-c",
        `${FILL}\nimport signal\nsignal.signal(signal.SIGTERM, lambda *a: sys.exit(0))\nwhile True: time.sleep(0.05)`,
      ],
    });
    await host.start(attempt);
    await until("the disk is seen full", () => host.storedEvents(attempt).includes("disk is full"));
    await host.client.control(host.session, "run1", 1, { op: "stop", cause: "stop" });
    expect(await host.final(attempt)).toMatchObject({ cause: "stop", code: 0 });
    recordsAreWhole(["notice.json", "exit.json", "final.json"], attempt);
  });
});
