import type { Decision } from "./commands.ts";
import type { RunState } from "./run-state.ts";
import { spentUsd } from "./spent.ts";

/** Warnings at the budget's fractions, each once; wakes when the next one is due at the present burn rate. */
export function budgetWarnings(state: RunState, now: number): Decision {
  const budget = state.spec.budget;
  if (budget === undefined) return { commands: [] };
  const spent = spentUsd(state, now);
  const open = budget.warnAt.filter((fraction) => !state.warnedBudget.includes(fraction)).sort((a, b) => a - b);
  const due = open.filter((fraction) => spent.usd >= fraction * budget.maxCost);
  const next = open.find((fraction) => spent.usd < fraction * budget.maxCost);
  const commands: Decision["commands"] =
    due.length === 0
      ? []
      : [
          {
            do: "append",
            key: "budget-warning",
            events: due.map((fraction) => ({ type: "budget-warning", fraction, spentUsd: spent.usd, budgetUsd: budget.maxCost })),
          },
        ];
  if (next === undefined || spent.perHour <= 0) return { commands };
  const missing = next * budget.maxCost - spent.usd;
  return { commands, wakeAt: now + Math.ceil((missing / spent.perHour) * 3_600_000) + 1 };
}
