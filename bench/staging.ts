// Staging against rsync, in one run: npx tsx bench/staging.ts [files] [bytes per file] [rounds]
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { snapshotCode } from "../packages/core/src/code/snapshot-code.ts";
import { fileStore } from "../packages/core/src/storage/file-store.ts";
import { pathToFileUri } from "../packages/core/src/storage/file-uri.ts";
import { systemClock } from "../packages/core/src/util/clock.ts";
import { median, report } from "./report.ts";

const count = Number(process.argv[2] ?? 10_000);
const size = Number(process.argv[3] ?? 20_000);
const rounds = Number(process.argv[4] ?? 7);
const dir = mkdtempSync(join(tmpdir(), "runctl-bench-"));
const root = join(dir, "project");
const now = systemClock.now() / 1000;
for (let n = 0; n < count; n += 1) {
  const folder = join(root, `d${Math.floor(n / 200)}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `f${n}.bin`), randomBytes(size));
  utimesSync(join(folder, `f${n}.bin`), now - 60, now - 60);
}
writeFileSync(join(root, ".gitignore"), "*.log\nbuild/\n*.tmp\n");

async function timed(work: () => unknown): Promise<number> {
  const began = systemClock.monotonic();
  await work();
  return systemClock.monotonic() - began;
}
const rsync = (to: string) => execFileSync("rsync", ["-a", `${root}/`, `${to}/`]);
const results: Record<string, number[]> = {
  rsyncFirst: [],
  oursFirst: [],
  rsyncSecond: [],
  oursSecond: [],
  rsyncNothing: [],
  oursNothing: [],
};
try {
  // The files' change times must be older than the racy window, as a user's are.
  await new Promise<void>((resolve) => systemClock.timer(2500, resolve));
  for (let round = 0; round < rounds; round += 1) {
    const to = join(dir, `rsync-${round}`);
    const state = join(dir, `store-${round}`);
    const ours = () =>
      snapshotCode({ root, store: fileStore(), prefix: pathToFileUri(join(state, "store")), cacheDir: join(state, "cache") });
    results.rsyncFirst?.push(await timed(() => rsync(to)));
    results.oursFirst?.push(await timed(ours));
    appendFileSync(join(root, "d0", "f0.bin"), `round ${round}`);
    results.rsyncSecond?.push(await timed(() => rsync(to)));
    results.oursSecond?.push(await timed(ours));
    results.rsyncNothing?.push(await timed(() => rsync(to)));
    results.oursNothing?.push(await timed(ours));
    rmSync(to, { recursive: true });
    rmSync(state, { recursive: true });
  }
  const row = (what: string, ours: string, theirs: string, limit?: number) => {
    const [a, b] = [median(results[ours] ?? []), median(results[theirs] ?? [])];
    console.log(`${what}: runctl ${a.toFixed(0)} ms, rsync ${b.toFixed(0)} ms`);
    return { what: `staging / rsync, ${what}`, measured: a / b, limit, unit: "" };
  };
  console.log(`${count} files, ${((count * size) / 1e6).toFixed(0)} MB, medians of ${rounds}`);
  report([
    row("empty target", "oursFirst", "rsyncFirst", 1),
    row("one file changed", "oursSecond", "rsyncSecond", 1),
    row("nothing changed", "oursNothing", "rsyncNothing"),
  ]);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
