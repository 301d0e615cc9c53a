// Six runs that differ in one argument, at most two at once, and the best of them.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fileState, Runctl } from "@runctl/core";
import { local } from "@runctl/provider-local";

const script = fileURLToPath(new URL("../quickstart/digits/train.py", import.meta.url));
const scratch = await mkdtemp(join(tmpdir(), "runctl-sweep-"));
const state = fileState(join(scratch, "state"));

// limits.maxRunning holds the other runs back, as "queued"; nothing is bought for them until there is room.
const runctl = new Runctl({
  project: "sweep",
  providers: [local({ home: join(scratch, "machines") })],
  state,
  limits: { maxRunning: 2 },
});

const alive = new Set<string>();
let most = 0;
runctl.on("machine-created", ({ machine }) => {
  alive.add(`${machine.ref.provider}/machine/${machine.ref.id}`);
  most = Math.max(most, alive.size);
});
runctl.on("machine-ended", ({ machineId }) => alive.delete(machineId));

try {
  const rates = [0.001, 0.005, 0.02, 0.05, 0.1, 0.5];
  const runs = await Promise.all(
    rates.map((rate) =>
      runctl.train({
        name: `rate-${rate}`,
        labels: { sweep: "rates", rate: String(rate) },
        // The key makes a repeated sweep find these runs instead of starting them again.
        key: `rates/${rate}`,
        script,
        args: ["--epochs", "2", "--hidden", "8", "--rate", String(rate)],
      }),
    ),
  );

  const rows = await Promise.all(
    runs.map(async (run, index) => {
      let accuracy = 0;
      for await (const point of run.metrics()) if (point.name === "accuracy") accuracy = point.value;
      const { status } = await run.result();
      return { rate: rates[index] ?? 0, accuracy, status };
    }),
  );

  for (const row of rows)
    console.log(`rate ${String(row.rate).padEnd(5)}  accuracy ${(row.accuracy * 100).toFixed(1).padStart(5)} %  ${row.status}`);
  const best = rows.reduce((a, b) => (b.accuracy > a.accuracy ? b : a));
  console.log(`best: rate ${best.rate}, ${rows.length} runs, at most ${most} at once`);
} finally {
  await runctl.close();
  await state.close();
  await rm(scratch, { recursive: true, force: true });
}
