import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fileStore } from "../storage/file-store.ts";
import { pathToFileUri } from "../storage/file-uri.ts";
import { memoryStore } from "../storage/memory-store.ts";
import { systemClock } from "../util/clock.ts";
import { createCheckpoints } from "./create-checkpoints.ts";

let base: string;
const memory = memoryStore();
const checkpoints = createCheckpoints({ store: (uri) => (uri.startsWith("file:") ? fileStore() : memory), clock: systemClock });
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "runctl checkpoints 'q\n"));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

function safetensors(floats = 4): Uint8Array {
  const header = JSON.stringify({ w: { dtype: "F32", shape: [floats], data_offsets: [0, floats * 4] } });
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, Buffer.from(header), Buffer.alloc(floats * 4)]);
}

function put(path: string, body: string | Uint8Array, second: number): void {
  mkdirSync(dirname(join(base, path)), { recursive: true });
  writeFileSync(join(base, path), body);
  utimesSync(join(base, path), second, second);
}

describe("S-22 checkpoints in a plain folder", () => {
  test("list is newest first by time, not by the highest number", async () => {
    put("step-900.safetensors", safetensors(), 1000); // left over from an older run
    put("step-100.safetensors", safetensors(), 2000);
    put("step-200.safetensors", safetensors(), 3000);
    put("notes.txt", "mine", 4000);
    symlinkSync("step-900.safetensors", join(base, "last.safetensors"));
    const found = await checkpoints.list(base);
    expect(found.map((info) => info.path)).toEqual(["step-200.safetensors", "step-100.safetensors", "step-900.safetensors"]);
    expect(found[0]).toMatchObject({ status: "complete", format: "safetensors", step: 200, savedAt: "1970-01-01T00:50:00.000Z" });
    expect(found[0]?.location).toBe(pathToFileUri(join(base, "step-200.safetensors")));
  });

  test("P-25 latest falls back from a torn newest, with the reason", async () => {
    put("step-1.safetensors", safetensors(), 1000);
    put("step-2.safetensors", safetensors().slice(0, -4), 2000);
    const { checkpoint, rejected } = await checkpoints.latest(base);
    expect(checkpoint?.path).toBe("step-1.safetensors");
    expect(rejected).toEqual([{ path: "step-2.safetensors", reason: expect.stringContaining("should have") }]);
    expect(await checkpoints.latest(join(base, "step-1.safetensors", "..", "."))).toMatchObject({ checkpoint: { step: 1 } });
  });

  test("P-26 a Composer save with fewer ranks than the one before is torn", async () => {
    const zip = Buffer.from("504b0506000000000000000000000000000000000000", "hex");
    for (const rank of [0, 1]) put(`ep1-ba10-rank${rank}.pt`, zip, 1000);
    put("ep2-ba20-rank0.pt", zip, 2000);
    const [newest, older] = await checkpoints.list(base);
    expect([newest?.status, newest?.reason, older?.status]).toEqual(["torn", expect.stringContaining("1 of 2 ranks"), "complete"]);
    expect((await checkpoints.inspect(join(base, "ep2-ba20-rank0.pt"))).status).toBe("torn");
  });

  test("inspect and verify one file, one folder, with its tracker beside it", async () => {
    put("a b.safetensors", safetensors(), 1);
    put("iter_0000100/mp_rank_00/model.safetensors", safetensors(), 1);
    put("iter_0000200/mp_rank_00/model.safetensors", safetensors(), 1);
    put("latest_checkpointed_iteration.txt", "100", 1);
    expect(await checkpoints.verify(join(base, "a b.safetensors"))).toEqual({
      status: "complete",
      format: "safetensors",
      files: [{ path: "a b.safetensors", sizeBytes: safetensors().length }],
    });
    expect(await checkpoints.inspect(join(base, "iter_0000100"))).toMatchObject({
      status: "complete",
      format: "megatron",
      kind: "dir",
      step: 100,
    });
    expect(await checkpoints.verify(`${join(base, "iter_0000200")}/`)).toMatchObject({
      status: "torn",
      reason: expect.stringContaining("still says 100"),
    });
  });

  test("nothing there, several there, wrong values: errors that say what to do", async () => {
    await expect(checkpoints.list(join(base, "none"))).rejects.toMatchObject({ kind: "not-found" });
    await expect(checkpoints.verify(join(base, "none.pt"))).rejects.toMatchObject({ kind: "not-found" });
    put("many/step-1.safetensors", safetensors(), 1);
    put("many/step-2.safetensors", safetensors(), 1);
    await expect(checkpoints.verify(join(base, "many"))).rejects.toMatchObject({
      kind: "validation",
      what: expect.stringContaining("2 checkpoints"),
    });
    await expect(checkpoints.prune(base, { last: -1 })).rejects.toThrow(/keep.last/);
    await expect(checkpoints.prune(base, { every: "soon" })).rejects.toThrow(/keep.every/);
    await expect(checkpoints.list("")).rejects.toMatchObject({ kind: "validation" });
    const reason = new Error("enough");
    await expect(checkpoints.list(base, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(await checkpoints.list(base)).toHaveLength(2);
  });

  test("prune keep 10 with dry-run; other files, torn ones and what is in use stay", async () => {
    for (let i = 1; i <= 13; i += 1) put(`step-${i}.safetensors`, safetensors(), i * 100);
    put("checkpoint-5/model.safetensors", safetensors(), 1);
    put("checkpoint-5/trainer_state.json", '{"global_step": 5}', 1);
    put("step-14.safetensors", safetensors().subarray(0, 50), 1400);
    put("train.log", "log", 1);
    put("train.py", "print()", 1);
    symlinkSync("step-1.safetensors", join(base, "last.safetensors"));
    const before = readdirSync(base).sort();
    const dry = await checkpoints.prune(base, { last: 10 }, { dryRun: true, inUse: [join(base, "step-2.safetensors")] });
    expect(readdirSync(base).sort()).toEqual(before);
    expect(dry.removed.map((one) => one.path)).toEqual(["step-3.safetensors", "step-1.safetensors", "checkpoint-5"]);
    const done = await checkpoints.prune(base, { last: 10 }, { inUse: [join(base, "step-2.safetensors")] });
    expect(done.removed).toEqual(dry.removed);
    expect(done.freedBytes).toBe(dry.removed.reduce((sum, one) => sum + one.sizeBytes, 0));
    expect(readdirSync(base).sort()).toEqual(
      before.filter((name) => !["step-3.safetensors", "step-1.safetensors", "checkpoint-5"].includes(name)),
    );
  });

  test("10,000 checkpoints are listed and pruned", async () => {
    for (let i = 0; i < 10_000; i += 1) put(`step-${i}.json`, "{}", 1000 + i);
    expect((await checkpoints.list(base))[0]?.step).toBe(9999);
    expect((await checkpoints.prune(base, { last: 3 })).removed).toHaveLength(9997);
    expect(readdirSync(base).sort()).toEqual(["step-9997.json", "step-9998.json", "step-9999.json"]);
  }, 120_000);
});

describe("S-22 checkpoints below a prefix of an object store", () => {
  test("the same answers from ranged reads; other objects untouched", async () => {
    for (let i = 1; i <= 4; i += 1) await memory.put(`${memory.scheme}://b/models/step ${i}.safetensors`, safetensors());
    await memory.put(`${memory.scheme}://b/models/step 5.safetensors`, safetensors().subarray(0, 70));
    await memory.put(`${memory.scheme}://b/models/readme.md`, "mine");
    await memory.put(`${memory.scheme}://b/models-of-others/step 1.safetensors`, safetensors());
    const location = `${memory.scheme}://b/models`;
    const { checkpoint, rejected } = await checkpoints.latest(location);
    expect(rejected.map((one) => one.path)).toEqual(["step 5.safetensors"]);
    expect(checkpoint?.status).toBe("complete");
    expect(await checkpoints.verify(`${location}/step 5.safetensors`)).toMatchObject({ status: "torn" });
    const { removed } = await checkpoints.prune(location, { last: 2 });
    expect(removed).toHaveLength(2);
    const left: string[] = [];
    for await (const object of memory.list(`${memory.scheme}://b/`)) left.push(object.uri);
    expect(left).toHaveLength(5);
    expect(left).toContain(`${memory.scheme}://b/models/readme.md`);
    await expect(checkpoints.list(`${memory.scheme}://b/empty`)).rejects.toMatchObject({ kind: "not-found" });
  });
});
