// A controlling process of tests. argv: its orders as JSON. Says what it does on standard output, a word and JSON a line.
import { join } from "node:path";
import { fileState, handleSignals, Runctl, RunctlError, type RunSpec } from "@runctl/core";
import { local } from "@runctl/provider-local";

interface Orders {
  dir: string;
  mode: "train" | "attach" | "follow" | "events" | "leave";
  spec?: RunSpec;
  runId?: string;
  after?: string;
  take?: number;
  signals?: boolean;
  spot?: boolean;
}

const orders = JSON.parse(process.argv[2] ?? "{}") as Orders;
const say = (word: string, value: unknown): void => void process.stdout.write(`${word} ${JSON.stringify(value ?? null)}\n`);
const state = fileState(join(orders.dir, "state"));
const provider = local({ home: join(orders.dir, "home"), pricePerHour: 1, ...(orders.spot === true ? { spot: true } : {}) });
const runctl = new Runctl({ project: "test", user: "tester", providers: [provider], state });
if (orders.signals === true) handleSignals(runctl);
say("up", process.pid);

try {
  switch (orders.mode) {
    case "train": {
      const run = await runctl.train(orders.spec ?? {});
      say("recorded", run.id);
      say("result", await run.result());
      break;
    }
    case "leave": {
      const run = await runctl.train(orders.spec ?? {}, { until: "running" });
      say("recorded", run.id);
      break;
    }
    case "attach": {
      const run = await runctl.attach(orders.runId ?? "");
      say("driver", (await run.status()).driver);
      say("result", await run.result());
      break;
    }
    case "follow": {
      const run = await runctl.attach(orders.runId ?? "", { drive: false });
      let left = orders.take ?? Number.POSITIVE_INFINITY;
      for await (const line of run.logs({ after: orders.after })) {
        if (line.source === "setup") continue;
        say("line", { text: line.text, cursor: line.cursor, gap: line.gap });
        if (--left <= 0) break;
      }
      break;
    }
    case "events": {
      const run = await runctl.attach(orders.runId ?? "", { drive: false });
      let left = orders.take ?? Number.POSITIVE_INFINITY;
      for await (const event of run.events({ after: orders.after })) {
        say("event", event);
        if (--left <= 0) break;
      }
      break;
    }
  }
} catch (error) {
  say("error", RunctlError.is(error) ? { code: error.code, what: error.what } : { code: "", what: String(error) });
}
await runctl.close();
await state.close();
say("closed", null);
