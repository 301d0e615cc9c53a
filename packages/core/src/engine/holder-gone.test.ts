import { describe, expect, it } from "vitest";
import { EngineBed } from "../../test/support/engine-bed.ts";
import { TAGS } from "../provider/tags.ts";
import { driveAll } from "./drive-all.ts";
import type { Engine } from "./engine.ts";
import { reconcile } from "./reconcile.ts";
import { asJson, runStream } from "./run-log.ts";

describe("what others left, or hold", () => {
  it("S-20: drive({ once }) takes over from a holder that hangs, and leaves one that moves", async () => {
    const bed = new EngineBed();
    const hung = await bed.engine();
    const runId = await bed.start(hung);
    await bed.until(runId, (state) => state.attempts[0]?.startedAt !== undefined);
    const beat = { n: 7, host: "elsewhere", bootId: "another", pid: 1, startTime: "1", at: "" };
    const expected = (await bed.run(runId)).version;
    await bed.state.append(runStream(runId), asJson([{ type: "lease-taken", session: "far" }]), {
      expected,
      session: "far",
      at: "2026-11-22T00:00:00.000Z",
    });
    await bed.state.beat({ session: "far", ...beat });
    const takers = async (engine: Engine): Promise<boolean> =>
      (await bed.state.read(runStream(runId))).some((stored) => stored.session === engine.context.session.id);
    const second = await bed.engine();
    const left = driveAll(second, { once: true });
    await bed.clock.advance(2_000);
    await bed.state.beat({ session: "far", ...beat, n: 8 });
    await bed.clock.advance(3_000);
    await left;
    expect(await takers(second)).toBe(false);
    const third = await bed.engine();
    const driven = driveAll(third, { once: true });
    await bed.clock.advance(150_000);
    await driven;
    expect(await takers(third)).toBe(true);
    await Promise.all([hung, second, third].map((engine) => engine.close(0)));
  });

  it("P-01: reconcile in another account ends nothing, and says so", async () => {
    const bed = new EngineBed();
    const engine = await bed.engine();
    const runId = await bed.start(engine);
    const done = await bed.until(runId, (state) => state.ended !== undefined);
    const { stateId } = engine.context;
    bed.cloud.account = "acct-2";
    bed.cloud.add({ [TAGS.state]: stateId, [TAGS.run]: done.runId, [TAGS.intent]: "old", [TAGS.createdBy]: "runctl" }, { name: "theirs" });
    const report = await reconcile(engine, {});
    expect([report.ended, report.partial, report.failures.map((failure) => failure.id)]).toEqual([[], true, ["account/mem"]]);
    expect(bed.cloud.alive()).toHaveLength(1);
    await engine.close(0);
  });
});
