import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { AttemptFile } from "./attempt-file.ts";
import { type AttemptFixture, until } from "./testing/attempt-fixture.ts";
import { it } from "./testing/host-test.ts";

/** Saves whole files by rename, one a step, and goes on from the file that it is given. */
const TRAIN = `import json, os, signal, sys, time
folder = os.environ["RUNCTL_CHECKPOINT_DIR"]
step = json.load(open(sys.argv[sys.argv.index("--from") + 1]))["step"] if "--from" in sys.argv else 0
print("from step", step, "env", os.path.basename(os.environ["RUNCTL_RESUME_FROM"]))
def save():
    tmp = os.path.join(folder, ".tmp")
    with open(tmp, "w") as f: json.dump({"step": step}, f)
    os.rename(tmp, os.path.join(folder, "step-%d.json" % step))
    print("step", step, "loss=%.2f" % (1 / (step + 1)))
def stop(*_):
    save(); sys.exit(0)
signal.signal(signal.SIGUSR1, stop)
while not os.path.exists(os.environ["GATE"]):
    step += 1
    save()
    time.sleep(0.6)
with open(os.path.join(os.environ["RUNCTL_OUTPUT_DIR"], "result.txt"), "w") as f: f.write("done at %d" % step)
`;

describe.concurrent("checkpoints and outputs of an attempt", () => {
  function order(host: AttemptFixture, attempt: number): AttemptFile {
    return host.attempt({
      attempt,
      argv: ["python3", "-c", TRAIN],
      env: { GATE: join(host.home, "gate") },
      checkpoints: {
        dir: "checkpoints",
        store: 0,
        prefix: "runs/run1/ckpt/",
        resume: { mode: "auto", manifests: [] },
        resumeArgs: ["--from", "{checkpoint}"],
        stopSignal: "SIGUSR1",
        graceSeconds: 20,
        suggestedSaveSeconds: 30,
        metricPatterns: ["loss=(?<loss>[0-9.]+)"],
      },
    });
  }

  it("S-14: saves are published while it trains, a stop saves first, and the next attempt goes on from there with its arguments", {
    timeout: 60_000,
  }, async ({ host }) => {
    const first = order(host, 1);
    await host.start(first);
    await until("a published checkpoint", async () => ((await host.client.observe(host.session, "run1", 1)).status?.published ?? 0) > 0);
    await host.client.control(host.session, "run1", 1, { op: "stop", cause: "stop" });
    const stopped = await host.final(first);
    expect(stopped).toMatchObject({ cause: "stop", code: 0, lost: [], resumedFrom: null });
    const last = Number([...host.text(first, "log").matchAll(/^step (\d+)/gm)].at(-1)?.[1]);
    const manifest = JSON.parse(readFileSync(join(host.store, String(stopped.newestCheckpoint)), "utf8"));
    expect(manifest).toMatchObject({ path: `step-${last}.json`, attempt: 1, step: last });
    const { events } = await host.client.observe(host.session, "run1", 1);
    expect(events.filter((event) => event.type === "checkpoint-published")).toHaveLength(stopped.published);

    const second = order(host, 2);
    await host.start(second);
    await host.log(second, `from step ${last} env step-${last}.json`);
    await host.session.write(join(host.home, "gate"), "");
    const done = await host.final(second);
    expect(done).toMatchObject({ cause: "exit", code: 0, lost: [], resumedFrom: stopped.newestCheckpoint });
    expect(existsSync(join(host.store, "runs/run1/outputs/result.txt"))).toBe(true);
    expect(done.outputs).toMatchObject([{ from: "output", files: 1 }]);
  });
});
