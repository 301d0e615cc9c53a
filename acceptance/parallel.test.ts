import { describe, expect, it } from "vitest";
import { COUNTING, WAITING, withBed } from "./support/bed.ts";

describe.concurrent("parallel runs", () => {
  it("S-27: two runs on two machines proceed independently: one's end does not touch the other", () =>
    withBed(async (bed) => {
      const [one, two] = await Promise.all([
        bed.runctl.train(await bed.script(COUNTING, { args: ["5", "0.1"] }, "one.py")),
        bed.runctl.train(await bed.script(WAITING, {}, "two.py"), { until: "running" }),
      ]);
      await bed.provider.simulateInterruption((await one.status()).machines[0]?.ref.id ?? "").catch(() => undefined);
      expect((await one.result()).status).toBe("succeeded");
      const other = await two.status();
      expect([other.status, other.attempt]).toEqual(["running", 1]);
      expect(other.machines.map((machine) => machine.ref.id)).not.toContain((await one.status()).machines[0]?.ref.id);
      await two.cancel();
      await bed.mustBeEmpty();
    }));

  it("S-27: a sweep of N never has more than limits.maxRunning machines, and all finish", () => {
    let running = 0;
    let most = 0;
    return withBed(
      async (bed) => {
        const spec = await bed.script(["import sys", "print(int(sys.argv[1]) ** 2)"]);
        const runs = await Promise.all([1, 2, 3, 4, 5].map((n) => bed.runctl.train({ ...spec, args: [String(n)] })));
        const results = await Promise.all(runs.map((run) => run.result()));
        expect(results.map((result) => result.logTail.at(-1))).toEqual(["1", "4", "9", "16", "25"]);
        expect(most).toBe(2);
        await bed.mustBeEmpty();
      },
      {
        runctl: { limits: { maxRunning: 2 } },
        wrap: (provider) => ({
          ...provider,
          create: async (intent, options) => {
            running += 1;
            most = Math.max(most, running);
            return provider.create(intent, options);
          },
          terminate: async (ref) => {
            const before = (await provider.find({ ids: [ref.id] })).machines.length;
            await provider.terminate(ref);
            running -= before;
          },
        }),
      },
    );
  });
});
