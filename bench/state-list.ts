/** Listing 10,000 ended runs in a fresh process, and durable appends a second. Run: npx tsx bench/state-list.ts */
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fileState } from "../packages/core/src/state/file-state.ts";
import { median, report } from "./report.ts";

const AT = "2026-11-22T00:00:00.000Z";
const self = fileURLToPath(import.meta.url);
const [mode, given = ""] = process.argv.slice(2);

if (mode === "list") {
  const before = process.memoryUsage().rss;
  const began = performance.now();
  const store = fileState(given);
  let count = 0;
  for await (const info of store.list("run/")) if (info.ended && info.summary !== undefined) count += 1;
  const ms = performance.now() - began;
  await store.close();
  const grown = (process.memoryUsage().rss - before) / 1e6;
  console.log(JSON.stringify({ count, ms, grown }));
} else {
  const count = Number(process.env.COUNT ?? 10_000);
  const dir = await mkdtemp(join(tmpdir(), "runctl-bench-"));
  try {
    const store = fileState(dir);
    let began = performance.now();
    for (let n = 0; n < 500; n += 1) await store.append("project", [{ n }], { expected: n, session: "bench", at: AT });
    console.log(`durable append: ${((performance.now() - began) / 500).toFixed(2)} ms each`);
    began = performance.now();
    for (let n = 0; n < 5000; n += 1) {
      await store.append("project", [{ n }], { expected: 500 + n, session: "bench", at: AT, durable: n % 100 === 99 });
    }
    console.log(`append, one in a hundred durable: ${((performance.now() - began) / 5000).toFixed(3)} ms each`);
    began = performance.now();
    const summary = {
      status: "succeeded",
      project: "digits",
      user: "bench",
      cost: { known: { amount: 1.25, currency: "USD" } },
      labels: {},
    };
    const one = async (n: number): Promise<void> => {
      const run = `run/r${String(n).padStart(6, "0")}`;
      await store.append(run, [{ n }, { text: "x".repeat(200) }], { expected: 0, session: "bench", at: AT });
      await store.compact(run, { ...summary, id: run });
    };
    for (let n = 0; n < count; n += 16) await Promise.all(Array.from({ length: Math.min(16, count - n) }, (_, k) => one(n + k)));
    console.log(`run recorded and ended: ${((performance.now() - began) / count).toFixed(2)} ms each, 16 at once`);
    await store.close();
    const listed = (): { count: number; ms: number; grown: number } =>
      JSON.parse(execFileSync(process.execPath, ["--import", "tsx", self, "list", dir], { encoding: "utf8" })) as ReturnType<typeof listed>;
    const lists = Array.from({ length: 7 }, listed);
    for (const list of lists) console.log(`list of ${list.count} ended runs: ${list.ms.toFixed(0)} ms, ${list.grown.toFixed(0)} MB more`);
    if (lists.some((list) => list.count !== count)) throw new Error("the list is not whole");
    await rm(join(dir, "index"), { recursive: true });
    report([
      { what: `list of ${count} ended runs, fresh process`, measured: median(lists.map((list) => list.ms)), limit: 300, unit: "ms" },
      { what: "the same without its index (once, then made anew)", measured: listed().ms, unit: "ms" },
    ]);
  } finally {
    await rm(dir, { recursive: true });
  }
}
