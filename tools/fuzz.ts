// Random programs over whole runs, until one breaks a promise: pnpm fuzz [--seed 1] [--runs 1000] [--seconds 600] [--path …]
// or one program again, as a failure printed it: pnpm fuzz --program '{…}'
import { parseArgs } from "node:util";
import { fuzz, replayFuzz } from "../packages/testing/src/fuzz/fuzz.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    runs: { type: "string" },
    seconds: { type: "string" },
    path: { type: "string" },
    program: { type: "string" },
  },
});
if (values.program !== undefined) {
  const outcome = await replayFuzz(values.program);
  console.log(JSON.stringify(outcome, undefined, 2));
  process.exitCode = outcome.broken.length === 0 ? 0 : 1;
} else {
  const seed = Number(values.seed ?? 1);
  const report = await fuzz({
    seed,
    runs: Number(values.runs ?? 1000),
    ...(values.seconds === undefined ? {} : { maxSeconds: Number(values.seconds) }),
    path: values.path,
  });
  console.log(report.failure?.message ?? `${report.runs} programs of seed ${seed} kept every promise.`);
  process.exitCode = report.failure === undefined ? 0 : 1;
}
