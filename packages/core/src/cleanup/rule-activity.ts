import type { CleanupFacts } from "./facts.ts";
import { type Veto, veto } from "./veto.ts";

/** (g): a live run, or work seen on the machine, vetoes; so does not knowing. Force overrides, for the owner knows better. */
export function driverRule(facts: CleanupFacts): Veto | undefined {
  const { runId, active, why } = facts.driver;
  if (facts.absent || active === false) return undefined;
  if (active === true) {
    return veto(
      "run-active",
      `Run ${runId ?? "?"} is using ${facts.id}.`,
      why,
      ["Stop or cancel the run first.", "force overrides activity; the run then loses its machine."],
      true,
    );
  }
  return veto(
    "run-unknown",
    `Whether run ${runId ?? "?"} still uses ${facts.id} is unknown.`,
    why,
    ["Try again; force overrides activity."],
    true,
  );
}

/** The machine's own signs of work: GPU, CPU, a recent log. */
export function activityRule(facts: CleanupFacts): Veto | undefined {
  if (facts.absent || facts.state === "stopped" || facts.state === "ended" || facts.activity.active === false) return undefined;
  return facts.activity.active === true
    ? veto("busy", `${facts.id} is working.`, facts.activity.why, ["Let it finish; force overrides activity."], true)
    : veto(
        "activity-unknown",
        `Whether ${facts.id} is working is unknown.`,
        facts.activity.why,
        ["Try again; force overrides activity."],
        true,
      );
}
