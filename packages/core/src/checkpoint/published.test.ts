import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ObjectStore } from "../provider/object-store.ts";
import { fileStore } from "../storage/file-store.ts";
import { pathToFileUri } from "../storage/file-uri.ts";
import { systemClock } from "../util/clock.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { createCheckpoints } from "./create-checkpoints.ts";
import { prunePublished } from "./prune-published.ts";
import { listPublished, manifestUriOf, selectResume } from "./published.ts";

const host = new URL("../../agent/tests/publish_run.py", import.meta.url).pathname;
let base: string;
let root: string;
let run: string;
let store: ObjectStore;
let checkpoints: Checkpoints;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "runctl published 'q\n"));
  root = join(base, "store");
  mkdirSync(root);
  run = `${pathToFileUri(root)}/runs/r1/`;
  store = fileStore();
  checkpoints = createCheckpoints({ store: () => store, clock: systemClock });
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

/** A real attempt of the host agent. */
function attempt(number: number, ...names: string[]): Array<{ type: string; manifest?: string; from?: string | null }> {
  const out = execFileSync("python3", ["-B", host, root, join(base, `attempt${number}`), String(number), ...names], { encoding: "utf8" });
  return out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string });
}

function objects(): string[] {
  return (readdirSync(root, { recursive: true, withFileTypes: true }) as Array<{ isFile(): boolean; name: string; parentPath: string }>)
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
}

const dataOf = (number: number, seq: number, name: string): string =>
  join(root, "runs/r1/ckpt", String(number), String(seq).padStart(6, "0"), "files", name);

describe("what the host publishes, the controller reads", () => {
  test("list, oldest first, with the whole reference", async () => {
    attempt(1, "epoch-1.pt", "with space 'q'\n-2.pt");
    const refs = await listPublished(store, run);
    expect(refs.map((ref) => [ref.path, ref.attempt, ref.seq, ref.step, ref.grade, ref.format])).toEqual([
      ["epoch-1.pt", 1, 1, 1, "verified", "pytorch"],
      ["with space 'q'\n-2.pt", 1, 2, 2, "verified", "pytorch"],
    ]);
    expect(refs[0]?.location).toBe(`${run}ckpt/1/000001/files/`);
    expect(refs[0] && manifestUriOf(refs[0])).toBe(`${run}ckpt/1/000001/manifest.json`);
  });

  test("a new attempt resumes from the newest, and the controller names the same one first", async () => {
    attempt(1, "epoch-1.pt", "epoch-2.pt");
    const { candidates } = await selectResume(store, run);
    const [resumed] = attempt(2, "epoch-3.pt");
    expect(resumed?.from).toBe("runs/r1/ckpt/1/000002/manifest.json");
    expect(candidates.map((ref) => ref.seq)).toEqual([2, 1]);
    expect((await selectResume(store, run)).candidates.map((ref) => [ref.attempt, ref.seq])).toEqual([
      [2, 1],
      [1, 2],
      [1, 1],
    ]);
  });

  test("P-25 a torn, a missing and a foreign one are left out with reasons", async () => {
    attempt(1, "epoch-1.pt", "epoch-2.pt", "epoch-3.pt", "epoch-4.pt", "epoch-5.pt");
    truncateSync(dataOf(1, 5, "epoch-5.pt"), 100);
    unlinkSync(dataOf(1, 4, "epoch-4.pt"));
    const third = join(root, "runs/r1/ckpt/1/000003/manifest.json");
    writeFileSync(third, readFileSync(third, "utf8").replace('"run":"r1"', '"run":"r2"'));
    writeFileSync(join(root, "runs/r1/ckpt/1/000002/manifest.json"), '{"v":1,');
    const { candidates, rejected } = await selectResume(store, run);
    expect(candidates.map((ref) => ref.seq)).toEqual([1]);
    expect(rejected.map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/^epoch-5.pt has 100 bytes instead of \d+$/),
      "epoch-4.pt is missing in the store",
      "it belongs to run r2",
      "its manifest is not a valid one",
    ]);
  });

  test("P-27 what an attempt published after a newer one had claimed the run comes last", async () => {
    attempt(1, "epoch-1.pt", "epoch-2.pt");
    attempt(2);
    // The zombie got its manifest through before it saw the claim.
    const folder = join(root, "runs/r1/ckpt/1/000003");
    mkdirSync(join(folder, "files"), { recursive: true });
    copyFileSync(dataOf(1, 2, "epoch-2.pt"), join(folder, "files/epoch-2.pt"));
    const manifest = readFileSync(join(root, "runs/r1/ckpt/1/000002/manifest.json"), "utf8");
    writeFileSync(join(folder, "manifest.json"), manifest.replace('"seq":2', '"seq":3'));
    expect((await selectResume(store, run)).candidates.map((ref) => ref.seq)).toEqual([2, 1, 3]);
  });

  test("a run without checkpoints", async () => {
    expect(await selectResume(store, run)).toEqual({ candidates: [], rejected: [] });
    expect(await listPublished(store, run)).toEqual([]);
  });

  test("a store that fails rejects, it is never taken for an empty one", async () => {
    const broken = {
      ...store,
      // biome-ignore lint/correctness/useYield: it fails before the first object
      async *list(): AsyncGenerator<never> {
        throw new Error("the network is gone");
      },
    };
    await expect(selectResume(broken, run)).rejects.toThrow("the network is gone");
  });
});

describe("S-22 a run's published checkpoints", () => {
  test("list newest first, inspect, latest and verify by run, ckpt folder and single location", async () => {
    attempt(1, "epoch-1.pt", "epoch-2.pt");
    for (const location of [run, `${run}ckpt/`, join(root, "runs/r1")]) {
      expect((await checkpoints.list(location)).map((info) => info.path)).toEqual(["epoch-2.pt", "epoch-1.pt"]);
    }
    const newest = (await checkpoints.latest(run)).checkpoint;
    expect(newest).toMatchObject({ path: "epoch-2.pt", status: "complete", metrics: { loss: 0.5 }, published: { seq: 2 } });
    expect(await checkpoints.inspect(newest?.location ?? "")).toEqual(newest);
    expect((await checkpoints.verify(newest?.location ?? "")).status).toBe("complete");
    const file = dataOf(1, 2, "epoch-2.pt");
    const bytes = readFileSync(file);
    bytes[50] = (bytes[50] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    expect(await checkpoints.verify(newest?.location ?? "")).toMatchObject({
      status: "torn",
      reason: expect.stringContaining("SHA-256 differs"),
    });
  });

  test("prune keeps k, the base, the best and what is in use; other objects stay; dry-run changes nothing", async () => {
    attempt(1, ...Array.from({ length: 13 }, (_, i) => `epoch-${i + 1}.pt`));
    writeFileSync(join(root, "runs/r1/ckpt/notes.txt"), "mine");
    writeFileSync(join(root, "runs/r1/spec.json"), "{}");
    const before = objects();
    const dry = await checkpoints.prune(run, { last: 10 }, { dryRun: true });
    expect(objects()).toEqual(before);
    expect(dry.removed.map((one) => one.path)).toEqual(["epoch-3.pt", "epoch-2.pt", "epoch-1.pt"]);
    const inUse = [`${run}ckpt/1/000002/files/`];
    const done = await prunePublished(store, run, { last: 10, best: { metric: "loss", mode: "max" } }, { inUse });
    expect(done.removed.map((one) => one.path)).toEqual(["epoch-3.pt"]);
    expect(done.kept.find((one) => one.path === "epoch-2.pt")?.why).toEqual(["in use"]);
    expect(done.kept.find((one) => one.path === "epoch-1.pt")?.why).toEqual(["the best loss"]);
    expect(objects().filter((key) => !key.includes("LATEST"))).toEqual(
      before.filter((key) => !key.includes("1/000003/") && !key.includes("LATEST")),
    );
    expect(objects().filter((key) => key.includes("LATEST"))).toHaveLength(10);
    // A live attempt's base is never removed, however old it is.
    attempt(2);
    unlinkSync(join(root, "runs/r1/ckpt/1/000013/manifest.json"));
    attempt(3, "epoch-20.pt", "epoch-21.pt");
    await prunePublished(store, run, { last: 1 });
    expect((await listPublished(store, run)).map((ref) => ref.path)).toEqual(["epoch-12.pt", "epoch-21.pt"]);
    expect(existsSync(dataOf(1, 13, "epoch-13.pt"))).toBe(false); // an upload without manifest of an attempt that is over
  });

  test("a removal that was cut short is never taken for a checkpoint", async () => {
    attempt(1, "epoch-1.pt", "epoch-2.pt", "epoch-3.pt");
    let deletes = 0;
    const dying = {
      ...store,
      async delete(uri: string): Promise<void> {
        deletes += 1;
        if (deletes === 2) throw new Error("killed");
        await store.delete(uri);
      },
    };
    await expect(prunePublished(dying, run, { last: 1 })).rejects.toThrow("killed");
    const { candidates, rejected } = await selectResume(store, run);
    expect(rejected).toEqual([]);
    expect(candidates.map((ref) => ref.seq)).toContain(3);
    for (const ref of candidates) expect((await checkpoints.verify(ref.location)).status).toBe("complete");
  });
});
