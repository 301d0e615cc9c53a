import { mkdtemp, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EngineBed } from "../../test/support/engine-bed.ts";
import { StorageError } from "../errors/kinds.ts";
import { fileState } from "../state/file-state.ts";
import { RunHandle } from "./run-handle.ts";

describe("a state folder that was deleted while a run goes on", () => {
  it("result() of a run whose log is gone for good rejects, and says so", async () => {
    const dir = await mkdtemp(join(tmpdir(), "runctl-gone-"));
    try {
      const bed = new EngineBed();
      bed.state = fileState(dir);
      const engine = await bed.engine();
      const runId = await bed.start(engine);
      await bed.clock.advance(20_000);
      let error: unknown;
      new RunHandle(engine, runId).result().catch((reason: unknown) => {
        error = reason;
      });
      // In one step: the engine writes all the while.
      await rename(dir, `${dir}.gone`);
      for (let step = 0; step < 3_000 && error === undefined; step++) {
        await bed.clock.advance(1_000);
        // The file system is real.
        await stat(tmpdir());
      }
      expect(StorageError.isInstance(error)).toBe(true);
      expect(error).toMatchObject({ context: { stream: `run/${runId}`, corrupt: "its folder is gone" } });
      await engine.close(0);
      await bed.state.close();
    } finally {
      for (const each of [dir, `${dir}.gone`]) await rm(each, { recursive: true, force: true, maxRetries: 5 });
    }
  });
});
