// What was spent, by run and by day, as text, CSV and one HTML page.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileState, Runctl } from "@runctl/core";
import { local } from "@runctl/provider-local";

const scratch = await mkdtemp(join(tmpdir(), "runctl-costs-"));
const state = fileState(join(scratch, "state"));
const runctl = new Runctl({ project: "costs", providers: [local({ home: join(scratch, "machines"), pricePerHour: 36 })], state });

try {
  await writeFile(join(scratch, "train.py"), "import sys, time\ntime.sleep(float(sys.argv[1]))\n");
  for (const seconds of ["0.3", "1"]) {
    const run = await runctl.train({
      root: scratch,
      script: join(scratch, "train.py"),
      args: [seconds],
      name: `sleep-${seconds}`,
      include: ["/train.py"],
    });
    (await run.result()).orThrow();
  }
  // Something that runctl did not buy can be counted, too. Its price is not known here, and is never taken for 0.
  await runctl.resources.register({ ref: "lab/machine/workstation-7" });

  const byRun = await runctl.costs.report({ by: "run" });
  for (const row of byRun.rows)
    console.log(
      `${(row.key || "(no run)").padEnd(18)} ${row.cost.total === undefined ? "unknown" : `$${row.cost.total.amount.toFixed(4)}`}`,
    );
  const total = byRun.total;
  console.log(`together at least $${total.known.amount.toFixed(4)}; prices not known: ${total.missing.length}`);

  for (const format of ["json", "csv", "html"] as const)
    await writeFile(join(scratch, `costs.${format}`), await runctl.resources.export(format));
  const [header = "", ...rows] = (await readFile(join(scratch, "costs.csv"), "utf8")).trim().split("\n");
  console.log(`costs.csv: ${rows.length} rows, ${header.split(",").length} columns`);
  console.log(`costs.html: ${(await readFile(join(scratch, "costs.html"), "utf8")).includes("<table") ? "a table" : "no table"}`);
} finally {
  await runctl.close();
  await state.close();
  await rm(scratch, { recursive: true, force: true });
}
