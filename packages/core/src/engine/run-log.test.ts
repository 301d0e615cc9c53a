import { describe, expect, it } from "vitest";
import { EngineBed } from "../../test/support/engine-bed.ts";
import { ValidationError } from "../errors/kinds.ts";
import { loadRun, requireRun } from "./run-log.ts";

describe("finding a run by its id", () => {
  it.each([10n, Symbol("run"), 5, null, {}, "", "../../etc", "a/b", "x".repeat(100_000)])(
    "S-26: refuses what is no run id (%#), in one line",
    async (id) => {
      const { state } = new EngineBed();
      for (const find of [requireRun, loadRun]) {
        const error = await find(state, id as string).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        if (!ValidationError.isInstance(error)) throw new Error(`not a ValidationError: ${String(error)}`);
        expect(error.what).toMatch(/run id/);
        expect(error.what.length).toBeLessThan(200);
        expect(error.fix).not.toEqual([]);
      }
    },
  );
});
