import type { Scenario } from "../scenario.ts";
import { SMALL_CLOUD } from "./small-cloud.ts";

const DAY_MS = 86_400_000;

/** Two forgotten machines, a protected one and a young one: cleanup plans, marks, and on its next pass deletes just the two. */
export const cleanupApply: Scenario = {
  name: "cleanup-apply",
  title: "cleanup apply",
  cloud: SMALL_CLOUD,
  job: {},
  async prepare({ runctl, sleep }) {
    const make = (name: string) => runctl.machines.create({ provider: "cloud", instanceType: "cpu.large", name }, { wait: false });
    await make("forgotten-1");
    await make("forgotten-2");
    await runctl.cleanup.protect((await make("precious")).id);
    await sleep(DAY_MS + 3_600_000);
    await make("young");
  },
  async program({ runctl, sleep }) {
    // A pass that marks, and later one that deletes. What a dead process left half done is finished by a later pass.
    for (let pass = 0; pass < 12; pass++) {
      const plan = await runctl.cleanup.plan();
      // A provider that could not be asked may hold more.
      if (plan.items.length === 0 && plan.failures.length === 0) return;
      await runctl.cleanup.apply(plan);
      await sleep(11 * 60_000);
    }
  },
  ends: {},
  check({ alive }) {
    // The ledger's names carry eight letters of the intent.
    const ours = alive.flatMap((name) => /^(forgotten-[12]|precious|young)-/.exec(name)?.[1] ?? []).sort();
    return ours.join() === "precious,young"
      ? []
      : [`Of our machines there live: ${ours.join(", ") || "none"}; expected precious and young.`];
  },
};
