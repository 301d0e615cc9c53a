// Cold import of the built @runctl/core against the import of zod, eventemitter3 and p-queue alone, each in a fresh process, taking turns;
// and how large a bundle of it is. Run: npx tsx bench/import-time.ts [pairs, default 21]
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { median, report } from "./report.ts";

const pairs = Number(process.argv[2] ?? 21);
const core = fileURLToPath(new URL("../packages/core", import.meta.url));
const once = fileURLToPath(new URL("children/import-once.mjs", import.meta.url));
const entry = join(core, "dist/index.js");

function imported(path: string): { wall: number; cpu: number } {
  return JSON.parse(execFileSync(process.execPath, [once, pathToFileURL(path).href], { encoding: "utf8" })) as {
    wall: number;
    cpu: number;
  };
}

async function bundle(external: string[]): Promise<{ raw: number; gzip: number }> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    platform: "node",
    format: "esm",
    write: false,
    external,
  });
  const bytes = outputFiles[0]?.contents ?? new Uint8Array();
  return { raw: bytes.length, gzip: gzipSync(bytes).length };
}

const dir = mkdtempSync(join(tmpdir(), "runctl-bench-"));
try {
  const peer = join(dir, "peer.mjs");
  symlinkSync(join(core, "node_modules"), join(dir, "node_modules"));
  writeFileSync(peer, 'import "zod";\nimport "eventemitter3";\nimport "p-queue";\n');
  const ours: Array<{ wall: number; cpu: number }> = [];
  const theirs: Array<{ wall: number; cpu: number }> = [];
  for (let n = -1; n < pairs; n += 1) {
    const [a, b] = [imported(peer), imported(entry)];
    // The first pair brings the files into the page cache.
    if (n < 0) continue;
    theirs.push(a);
    ours.push(b);
  }
  const of = (list: typeof ours, key: "wall" | "cpu"): number => median(list.map((one) => one[key]));
  console.log(`@runctl/core: ${of(ours, "wall").toFixed(0)} ms, ${of(ours, "cpu").toFixed(0)} ms of processor time (medians of ${pairs})`);
  console.log(`zod + eventemitter3 + p-queue: ${of(theirs, "wall").toFixed(0)} ms, ${of(theirs, "cpu").toFixed(0)} ms of processor time`);
  const whole = await bundle([]);
  const own = await bundle(["zod", "eventemitter3", "p-queue", "ignore", "picomatch"]);
  report([
    { what: "cold import / its dependencies alone, wall", measured: of(ours, "wall") / of(theirs, "wall"), limit: 1.5, unit: "" },
    { what: "cold import / its dependencies alone, processor time", measured: of(ours, "cpu") / of(theirs, "cpu"), unit: "" },
    { what: "bundle of everything, minified", measured: whole.raw / 1000, unit: "kB" },
    { what: "bundle of everything, minified and gzipped", measured: whole.gzip / 1000, unit: "kB" },
    { what: "the same without the dependencies", measured: own.raw / 1000, unit: "kB" },
    { what: "the same without the dependencies, gzipped", measured: own.gzip / 1000, unit: "kB" },
  ]);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
