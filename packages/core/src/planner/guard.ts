import { fromMicros, toMicros } from "../cost/money.ts";
import type { Money } from "../provider/money.ts";
import type { Capabilities } from "../provider/provider.ts";
import type { ResolvedSpec } from "../spec/resolved-spec.ts";
import { formatDuration } from "../spec/units.ts";
import type { PlanGuard } from "./plan-types.ts";

/** The guardian's longest leash when nothing else limits a run (host-and-state.md §1). */
const DEFAULT_HARD_MS = 7 * 86_400_000;
/** The last save and upload after a deadline. */
const DEADLINE_RESERVE_MS = 30_000;

/** What ends a machine that nobody watches, when at the latest, and what that can cost. */
export function planGuard(
  spec: ResolvedSpec,
  now: number,
  machine: { capabilities?: Capabilities | undefined; price?: Money | undefined; maxPrice?: Money | undefined; owned: boolean },
): PlanGuard {
  const kind = machine.capabilities?.guard ?? "none";
  const one = machine.maxPrice ?? machine.price;
  const pricePerHour = one === undefined ? undefined : fromMicros(toMicros(one.amount * spec.resources.nodes), one.currency);
  const limits = [DEFAULT_HARD_MS];
  if (spec.maxDurationMs !== undefined) limits.push(spec.maxDurationMs);
  if (spec.deadline !== undefined) limits.push(Math.max(0, Date.parse(spec.deadline) - now) + DEADLINE_RESERVE_MS);
  if (spec.budget?.onExceeded === "stop" && pricePerHour !== undefined && pricePerHour.amount > 0) {
    limits.push((spec.budget.maxCost / pricePerHour.amount) * 3_600_000);
  }
  const hardLimitMs = Math.floor(Math.min(...limits));
  const exposure =
    pricePerHour === undefined
      ? undefined
      : fromMicros(Math.ceil(toMicros((pricePerHour.amount * hardLimitMs) / 3_600_000)), pricePerHour.currency);
  return {
    kind,
    hardLimitMs,
    ...(pricePerHour === undefined ? {} : { pricePerHour }),
    ...(exposure === undefined ? {} : { exposure }),
    statement: statement(kind, hardLimitMs, exposure, machine.owned, machine.capabilities?.sharedHost === true),
  };
}

function statement(kind: PlanGuard["kind"], hardLimitMs: number, exposure: Money | undefined, owned: boolean, sharedHost: boolean): string {
  const after = formatDuration(Math.max(1000, Math.floor(hardLimitMs / 1000) * 1000));
  const most = exposure === undefined ? "its price is unknown" : `at most ${exposure.amount} ${exposure.currency}`;
  if (!owned || sharedHost) return `The machine is not runctl's to end: after ${after} its guardian ends the training's processes only.`;
  if (kind === "os-poweroff")
    return `If nobody is left, the machine powers itself off after ${after} at the latest, which ends billing: ${most}.`;
  if (kind === "host-calls-api")
    return `If nobody is left, the machine deletes itself through the provider's API after ${after} at the latest: ${most}.`;
  return `Nothing ends the machine if nobody is left: the guardian ends the training after ${after}, but billing goes on until somebody terminates it.`;
}
