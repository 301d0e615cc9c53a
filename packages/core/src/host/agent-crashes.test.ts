import { describe, expect, it } from "vitest";
import { systemClock } from "../util/clock.ts";
import { systemRandom } from "../util/random.ts";
import { sleep } from "../util/sleep.ts";
import { AttemptFixture, kill } from "./testing/attempt-fixture.ts";

describe("the agent killed at any moment", () => {
  it("P-01 P-22: 20 attempts, each with its supervisor killed at a random moment of its life: trained once, ended right, log whole", {
    timeout: 120_000,
  }, async () => {
    const moments = Array.from({ length: 20 }, () => Math.round(systemRandom.next() * 450));
    // Ten at a time, each on a host home of its own.
    for (let batch = 0; batch < moments.length; batch += 10) {
      const hosts = moments.slice(batch, batch + 10).map(() => new AttemptFixture());
      try {
        await Promise.all(
          hosts.map(async (each, index) => {
            const moment = moments[batch + index] ?? 0;
            const attempt = each.attempt({ argv: ["sh", "-c", "echo began; sleep 0.2; echo ended; exit 6"] });
            await each.start(attempt);
            await sleep(systemClock, moment);
            const pid =
              Number(each.text(attempt, "supervisor.pid").split(" ")[0]) || Number(each.text(attempt, "started.pid").split(" ")[0]);
            if (pid > 0) kill(pid, "SIGKILL");
            const final = await each.final(attempt, 40);
            expect(final, `killed after ${moment} ms`).toMatchObject({ cause: "exit", code: 6, lost: [] });
            expect(each.text(attempt, "log"), `killed after ${moment} ms`).toBe("began\nended\n");
            expect(each.storedLog(attempt).toString()).toBe("began\nended\n");
            expect(each.carrying(attempt)).toEqual([]);
          }),
        );
      } finally {
        for (const each of hosts) each.dispose();
      }
    }
  });
});
