import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileState, Runctl, type RunResult } from "@runctl/core";
import { local } from "@runctl/provider-local";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "runctl-lost-"));
  await mkdir(join(dir, "project"));
  await writeFile(
    join(dir, "project", "train.py"),
    [
      "import json, os, time",
      "d, r = os.environ['RUNCTL_CHECKPOINT_DIR'], os.environ['RUNCTL_RESUME_FROM']",
      "e = json.load(open(r))['epoch'] if r else 0",
      "go = os.path.join(os.path.dirname(os.environ['GO']), 'go')",
      "while e < 3:",
      "    e += 1",
      "    p = os.path.join(d, f'epoch-{e}.json')",
      "    json.dump({'epoch': e}, open(p + '.tmp', 'w')); os.rename(p + '.tmp', p)",
      "    print('epoch', e, flush=True)",
      "    while e == 2 and not os.path.exists(go): time.sleep(0.05)",
    ].join("\n"),
  );
});
afterEach(() => rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));

function open(state: string, user = "tester"): { runctl: Runctl; close(): Promise<void>; id(): Promise<string> } {
  const store = fileState(join(dir, state));
  const runctl = new Runctl({
    project: "lost",
    user,
    providers: [local({ home: join(dir, "home"), pricePerHour: 1 })],
    state: store,
    store: join(dir, "store"),
  });
  return {
    runctl,
    id: () => store.stateId(),
    close: async () => {
      await runctl.close();
      await store.close();
    },
  };
}

describe("the state folder is lost", () => {
  it("P-03: runs are rebuilt from tags and store alone, and another state's machines are never touched", async () => {
    const spec = { script: join(dir, "project", "train.py"), root: join(dir, "project"), env: { GO: join(dir, "go") } };
    const other = open("other");
    const theirs = await other.runctl.train(spec, { until: "running" });

    const first = open("state");
    const lostId = await first.id();
    const run = await first.runctl.train(spec);
    for await (const event of run.events()) if (event.type === "checkpoint-published" && event.checkpoint.path === "epoch-2.json") break;
    await first.close();
    await rm(join(dir, "state"), { recursive: true });

    const second = open("state");
    const report = await second.runctl.reconcile({ adoptState: lostId });
    expect(report.rebuilt).toEqual([run.id]);
    expect(report.ended).toEqual([]);
    const again = await second.runctl.attach(run.id);
    await writeFile(join(dir, "go"), "");
    const result: RunResult = await again.result();
    expect(result.status).toBe("succeeded");
    expect(result.attempts.map((attempt) => attempt.outcome)).toEqual(["succeeded"]);
    // Saves that follow one another at once may be superseded before they are published.
    expect(result.checkpoints.map((checkpoint) => checkpoint.path).slice(-2)).toEqual(["epoch-2.json", "epoch-3.json"]);
    await second.close();

    expect((await theirs.result()).status).toBe("succeeded");
    await other.close();
    expect(await readdir(join(dir, "home", "machines"))).toEqual([]);
  });

  it("P-03: a state that holds something does not take over another one's id", async () => {
    const spec = { script: join(dir, "project", "train.py"), root: join(dir, "project"), env: { GO: join(dir, "go") } };
    await writeFile(join(dir, "go"), "");
    const used = open("state");
    await (await used.runctl.train(spec)).result();
    await used.close();
    const again = open("state");
    await expect(again.runctl.reconcile({ adoptState: "somebodyelse" })).rejects.toMatchObject({ code: "RUNCTL_CONFLICT" });
    await again.close();
  });
});
