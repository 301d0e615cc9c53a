import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EngineBed } from "../../test/support/engine-bed.ts";
import { ValidationError } from "../errors/kinds.ts";
import { RunHandle } from "./run-handle.ts";
import { runStream } from "./run-log.ts";

// Callers in JavaScript and notebooks have no compiler: what is not checked here ends in the run's log, or as a TypeError of Node's.
describe("arguments of a run's handle", () => {
  async function handle() {
    const bed = new EngineBed();
    const engine = await bed.engine();
    const id = await bed.start(engine);
    return { bed, engine, id, run: new RunHandle(engine, id) };
  }
  const drain = async (run: RunHandle, options: { after?: string; attempt?: number }) => {
    for await (const line of run.logs({ follow: false, ...options })) void line;
  };

  it.each([5, {}, null, "r".repeat(2_000), 1n])("S-26: a reason that is no short text (%#) is refused and not written", async (reason) => {
    const { bed, engine, id, run } = await handle();
    const before = (await bed.state.read(runStream(id))).length;
    await expect(run.stop({ reason: reason as string })).rejects.toThrow(ValidationError);
    await expect(run.cancel({ reason: reason as string })).rejects.toThrow(ValidationError);
    const types = (await bed.state.read(runStream(id))).slice(before).map((stored) => stored.event.type);
    expect(types).not.toContain("user-request");
    await engine.close(0);
  });

  it.each([5, null, {}, Symbol("after")])("logs({ after }) that is no text (%#) is refused by name", async (after) => {
    const { engine, run } = await handle();
    await expect(drain(run, { after: after as string })).rejects.toThrow(ValidationError);
    await engine.close(0);
  });

  it.each([0, -1, 1.5, Number.NaN, "1"])("logs({ attempt: %s }) is refused instead of reading as an empty log", async (attempt) => {
    const { engine, run } = await handle();
    await expect(drain(run, { attempt: attempt as number })).rejects.toThrow(ValidationError);
    await engine.close(0);
  });

  it("download() refuses what it does not know, and a place that is none, before it makes a folder", async () => {
    const { engine, run } = await handle();
    const folder = await mkdtemp(join(tmpdir(), "runctl-download-"));
    try {
      const to = join(folder, "new");
      for (const what of ["log", 5, null]) await expect(run.download(what as "logs", to)).rejects.toThrow(ValidationError);
      expect(existsSync(to)).toBe(false);
      for (const place of ["", 5, null, "a\0b"]) {
        for (const what of ["logs", "outputs", "checkpoints"] as const) {
          await expect(run.download(what, place as string)).rejects.toThrow(ValidationError);
        }
      }
      expect(await readdir(folder)).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
    await engine.close(0);
  });
});
