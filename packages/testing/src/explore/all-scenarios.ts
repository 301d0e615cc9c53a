import { ValidationError } from "@runctl/core";
import type { Scenario } from "./scenario.ts";
import { budgetStop } from "./scenarios/budget-stop.ts";
import { cleanupApply } from "./scenarios/cleanup-apply.ts";
import { failing } from "./scenarios/failing.ts";
import { fallback } from "./scenarios/fallback.ts";
import { onDemand } from "./scenarios/on-demand.ts";
import { spotTwice } from "./scenarios/spot-twice.ts";
import { stopAndCancel } from "./scenarios/stop-and-cancel.ts";
import { volume } from "./scenarios/volume.ts";

/** The eight stories whose every boundary is explored. */
export const SCENARIOS: readonly Scenario[] = [onDemand, spotTwice, fallback, budgetStop, stopAndCancel, failing, volume, cleanupApply];

/** A scenario by its name. @throws ValidationError naming those there are. */
export function scenarioNamed(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found !== undefined) return found;
  throw new ValidationError({
    what: `There is no scenario ${JSON.stringify(name)}.`,
    fix: [`Choose one of: ${SCENARIOS.map((scenario) => scenario.name).join(", ")}.`],
  });
}
