// Finds what was forgotten, shows why it may go or stays, and only then deletes.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileState, Runctl } from "@runctl/core";
import { local } from "@runctl/provider-local";

const scratch = await mkdtemp(join(tmpdir(), "runctl-cleanup-"));
const state = fileState(join(scratch, "state"));
const runctl = new Runctl({ project: "cleanup", providers: [local({ home: join(scratch, "machines"), pricePerHour: 2 })], state });

try {
  // Two machines without a run, as after an afternoon of trying things.
  const forgotten = await runctl.machines.create({ provider: "local", maxLifetime: "1h" }, { wait: true });
  const precious = await runctl.machines.create({ provider: "local", maxLifetime: "1h" }, { wait: true });
  await runctl.cleanup.protect(precious.id);

  // A plan changes nothing. Both are kept: one is protected, both are young and not past their end.
  const careful = await runctl.cleanup.plan();
  console.log(`plan: ${careful.items.length} to delete, ${careful.kept.length} kept`);
  for (const kept of careful.kept) console.log(`  kept ${name(kept.id)}: ${kept.reasons.map((reason) => reason.id).join(", ")}`);

  // Naming one machine asks the same questions. force overrides age and activity, never protection.
  for (const { id } of [forgotten, precious]) {
    const { safe, reasons } = await runctl.cleanup.explain(id, { force: true });
    console.log(`explain ${name(id)}: ${safe ? "may go" : reasons.map((reason) => reason.what).join(" ")}`);
  }
  await runctl.machines.terminate(forgotten.id, { force: true });
  try {
    await runctl.machines.terminate(precious.id, { force: true });
  } catch (error) {
    console.log(`refused: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`);
  }

  await runctl.cleanup.unprotect(precious.id);
  await runctl.machines.terminate(precious.id, { force: true });
  console.log(`left running: ${(await runctl.resources.running()).length}`);

  function name(id: string): string {
    return id === forgotten.id ? "the forgotten one" : "the precious one";
  }
} finally {
  await runctl.close();
  await state.close();
  await rm(scratch, { recursive: true, force: true });
}
