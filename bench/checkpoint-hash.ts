// Hashing and verifying a checkpoint against sha256sum and openssl on the same file in the same run, and the peak memory of a process that
// hashes it. Usage: npx tsx bench/checkpoint-hash.ts [GiB, default 4]. Rounds are interleaved and the best of each is compared.
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCheckpoints } from "../packages/core/src/checkpoint/create-checkpoints.ts";
import { fileListDigest } from "../packages/core/src/checkpoint/published.ts";
import { fileStore } from "../packages/core/src/storage/file-store.ts";
import { pathToFileUri } from "../packages/core/src/storage/file-uri.ts";
import { systemClock } from "../packages/core/src/util/clock.ts";
import { hashFile } from "../packages/core/src/util/hash-file.ts";
import { report } from "./report.ts";

const ROUNDS = 3;
const AGENT = new URL("../packages/core/agent", import.meta.url).pathname;

function makeFile(path: string, bytes: number): void {
  // Not zeros and not sparse: no layer below may take a shortcut.
  const block = Buffer.alloc(16 * 1024 * 1024);
  for (let i = 0; i < block.length; i += 4) block.writeUInt32LE((Math.imul(i, 2654435761) ^ (i >>> 7)) >>> 0, i);
  const file = openSync(path, "w");
  for (let done = 0; done < bytes; done += block.length) writeSync(file, block, 0, Math.min(block.length, bytes - done));
  closeSync(file);
}

function peakOf(argv: [string, ...string[]]): number {
  const out = spawnSync(argv[0], argv.slice(1), { encoding: "utf8" });
  if (out.status !== 0) throw new Error(out.stderr);
  return Number(out.stdout.trim());
}

async function main(): Promise<void> {
  const gib = Number(process.argv[2] ?? 4);
  const folder = mkdtempSync(join(tmpdir(), "runctl-bench-"));
  try {
    const bytes = Math.round(gib * 1024 ** 3);
    const location = join(folder, "runs/bench/ckpt/1/000001");
    execFileSync("mkdir", ["-p", join(location, "files")]);
    const path = join(location, "files/model.bin");
    makeFile(path, bytes);
    const { sha256 } = await hashFile(path);
    const files = [{ path: "model.bin", size: bytes, sha256 }];
    const manifest = {
      v: 1,
      run: "bench",
      attempt: 1,
      seq: 1,
      path: "model.bin",
      kind: "file",
      step: 1,
      format: "unknown",
      grade: "sealed",
      files,
    };
    const text = JSON.stringify({
      ...manifest,
      sizeBytes: bytes,
      sha256: fileListDigest(files),
      nonce: "n",
      createdAt: "2026-01-01T00:00:00Z",
    });
    execFileSync("tee", [join(location, "manifest.json")], { input: text, stdio: ["pipe", "ignore", "inherit"] });
    const checkpoints = createCheckpoints({ store: () => fileStore(), clock: systemClock });
    const python = `import sys; sys.path.insert(0, ${JSON.stringify(AGENT)})\nfrom runctl_agent.ckpt.hashing import hash_file\nprint(hash_file(sys.argv[1])[0])`;
    const ways: Record<string, () => Promise<string> | string> = {
      sha256sum: () => execFileSync("sha256sum", [path], { encoding: "utf8" }).slice(0, 64),
      "openssl dgst -sha256": () => execFileSync("openssl", ["dgst", "-sha256", "-r", path], { encoding: "utf8" }).slice(0, 64),
      "runctl hashFile": async () => (await hashFile(path)).sha256,
      "runctl verify": async () => {
        const { status, reason } = await checkpoints.verify(`${pathToFileUri(location)}/`);
        return status === "unknown" ? sha256 : `${status}: ${reason}`;
      },
      "host agent (Python)": () => execFileSync("python3", ["-c", python, path], { encoding: "utf8" }).trim(),
    };
    const best = new Map<string, number>();
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [name, way] of Object.entries(ways)) {
        const began = performance.now();
        const found = await way();
        const seconds = (performance.now() - began) / 1000;
        if (found !== sha256) throw new Error(`${name} found ${found} instead of ${sha256}`);
        best.set(name, Math.max(best.get(name) ?? 0, bytes / 1e9 / seconds));
      }
    }
    const yard = Math.max(best.get("sha256sum") ?? 0, best.get("openssl dgst -sha256") ?? 0);
    const load = readFileSync("/proc/loadavg", "utf8").split(" ")[0];
    console.log(`${gib} GiB, warm page cache, best of ${ROUNDS}, load ${load}`);
    for (const [name, speed] of best)
      console.log(`${name.padEnd(24)} ${speed.toFixed(2)} GB/s  ${(speed / yard).toFixed(2)} of the faster yardstick`);
    const source = new URL("../packages/core/src/util/hash-file.ts", import.meta.url).href;
    const child = (body: string): string =>
      `${body}; const s = require("node:fs").readFileSync("/proc/self/status", "utf8"); console.log(/VmHWM:\\s+(\\d+)/.exec(s)[1])`;
    const idle = peakOf([
      process.execPath,
      "--import",
      "tsx",
      "-e",
      `(async () => { await import(${JSON.stringify(source)}); ${child("")} })()`,
    ]);
    const busy = peakOf([
      process.execPath,
      "--import",
      "tsx",
      "-e",
      `(async () => { const m = await import(${JSON.stringify(source)}); ${child(`await m.hashFile(${JSON.stringify(path)})`)} })()`,
    ]);
    const agent = peakOf([
      "python3",
      "-c",
      `${python.replace("print(", "(")}\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)`,
      path,
    ]);
    console.log(
      `peak memory: Node with tsx before hashing ${(idle / 1024).toFixed(0)} MiB, Python as a whole ${(agent / 1024).toFixed(0)} MiB`,
    );
    // 1 GB/s or 0.9 of the faster yardstick, whichever asks for less on this machine.
    const limit = Math.min(1, 0.9 * yard);
    const row = (name: string) => ({
      what: `SHA-256: ${name}`,
      measured: best.get(name) ?? 0,
      limit,
      unit: "GB/s",
      bound: "least" as const,
    });
    report([
      { what: "SHA-256: faster of sha256sum and openssl", measured: yard, unit: "GB/s" },
      row("runctl hashFile"),
      row("runctl verify"),
      row("host agent (Python)"),
      { what: `memory that hashing ${gib} GiB costs`, measured: (busy - idle) / 1024, limit: 64, unit: "MiB" },
      { what: `host agent hashing ${gib} GiB, whole process`, measured: agent / 1024, limit: 64, unit: "MiB" },
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
