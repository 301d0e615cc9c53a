import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { metricLineSchema } from "./records.ts";
import { kill, until } from "./testing/attempt-fixture.ts";
import { it } from "./testing/host-test.ts";

const SCRIPT = `import json, os, time
f = open("metrics.jsonl", "w", buffering=1)
f.write("not json\\n")
for step in range(200):
    f.write(json.dumps({"step": step, "loss": float("nan") if step == 1 else 1 / (step + 1)}) + "\\n")
    time.sleep(0.01)
    if step == 100: print("half", flush=True)
while not os.path.exists(os.environ["GATE"]): time.sleep(0.05)
f.write('{"step": 200, "loss": 0.001}')
`;

describe.concurrent("metrics files", () => {
  it("each line is in the store once, also over killed supervisors, and the last one without its newline", async ({ host }) => {
    const gate = join(host.home, "gate");
    const attempt = host.attempt({ argv: ["python3", "-c", SCRIPT], env: { GATE: gate }, metricFiles: ["metrics.jsonl", "none.jsonl"] });
    await host.start(attempt);
    for (const word of ["", "half"]) {
      if (word !== "") await host.log(attempt, word);
      await until("some lines are kept", () => host.text(attempt, "metrics.jsonl").includes(word === "" ? '"end"' : '\\"step\\": 90'));
      const old = await host.pid(attempt, "supervisor");
      kill(old, "SIGKILL");
      await until("a new supervisor", async () => (await host.pid(attempt, "supervisor")) !== old);
    }
    await host.session.write(gate, "");
    const final = await host.final(attempt);
    expect(final).toMatchObject({ cause: "exit", code: 0, lost: [] });
    const folder = join(host.store, "runs/run1/metrics/1");
    const stored = readdirSync(folder)
      .sort()
      .map((name) => readFileSync(join(folder, name), "utf8"))
      .join("");
    expect(stored).toBe(host.text(attempt, "metrics.jsonl"));
    expect(stored.length).toBe(final.metricsBytes);
    const lines = stored
      .trimEnd()
      .split("\n")
      .map((line) => metricLineSchema.parse(JSON.parse(line)));
    expect(lines.map((line) => Number(/"step": (\d+)/.exec(line.text)?.[1]))).toEqual(Array.from({ length: 201 }, (_, step) => step));
    expect(lines[1]?.text).toContain("NaN");
  });

  it("a file that leads out of the working folder, or is a pipe, is not read", async ({ host }) => {
    await host.session.write(join(host.home, "secret.jsonl"), '{"secret": 1}\n');
    const argv = ["sh", "-c", `ln -s '${host.home}/secret.jsonl' out.jsonl; mkfifo pipe.jsonl; sleep 1.5`];
    const attempt = host.attempt({ argv, metricFiles: ["out.jsonl", "pipe.jsonl"] });
    await host.start(attempt);
    expect(await host.final(attempt)).toMatchObject({ cause: "exit", code: 0, metricsBytes: 0 });
  });
});
