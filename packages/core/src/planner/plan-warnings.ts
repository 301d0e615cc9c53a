import type { Notice } from "../provider/plan.ts";
import type { ResolvedSpec } from "../spec/resolved-spec.ts";
import { formatSize } from "../spec/units.ts";
import { isSpot } from "./offer-filters.ts";
import type { PlanGuard, RankedOffer, RunPlan } from "./plan-types.ts";

/** Code seldom is that big; data usually is, and belongs into inputs. */
const LARGE_UPLOAD_BYTES = 500_000_000;

/** Remarks on a plan that do not stop it. */
export function planWarnings(
  spec: ResolvedSpec,
  plan: {
    chosen: RankedOffer | undefined;
    guard: PlanGuard;
    files: RunPlan["files"];
    failures: readonly Notice[];
    sharedHost: boolean;
    failedCount: number;
  },
): Notice[] {
  const warnings: Notice[] = [];
  const { chosen, guard, files, sharedHost } = plan;
  const mayBeSpot = chosen === undefined ? false : isSpot(chosen.offer);
  if (mayBeSpot) {
    warnings.push({
      id: "unattended",
      what: "A replacement for an interrupted machine is bought only while a process drives the run.",
      why: "Without one, an interrupted run waits, saved but unattended.",
      fix: ["Keep this process running, or run drive() from cron, systemd or a small machine that is always on."],
    });
  }
  if (mayBeSpot && spec.checkpoints === false) {
    warnings.push({
      id: "spot-without-checkpoints",
      what: "The machine may be taken back at any time, and the script saves no checkpoints.",
      why: "Every interruption starts the work anew.",
      fix: ["Save checkpoints, and set checkpoints.", 'Set market: "on-demand".'],
    });
  }
  if (guard.kind === "none" && chosen !== undefined && !sharedHost && spec.machine === undefined) {
    warnings.push({
      id: "no-guard",
      what: guard.statement,
      why: `${chosen.offer.provider} gives the machine no way to end itself.`,
      fix: ["Keep a process driving the run, and run reconcile() afterwards."],
    });
  }
  const priced = (chosen?.pricePerHour?.amount ?? 1) > 0 && !sharedHost;
  if (chosen !== undefined && priced && spec.budget === undefined && spec.deadline === undefined && spec.maxDurationMs === undefined) {
    warnings.push({
      id: "no-limit",
      what: "Nothing limits what the run may cost: it has no budget, no maxDuration and no deadline.",
      why: guard.statement,
      fix: ["Set budget: { maxCost: 20 } or maxDuration."],
    });
  }
  if (files.bytes > LARGE_UPLOAD_BYTES) {
    warnings.push({
      id: "large-upload",
      what: `${formatSize(files.bytes)} in ${files.count} files are staged as code.`,
      why: "Only changed files move, but all are hashed, and a first upload takes long.",
      fix: ["Put data into .runctlignore or exclude, and bring it with inputs."],
    });
  }
  if (chosen?.stale === true) {
    warnings.push({
      id: "stale-offer",
      what: `${chosen.offer.type} is listed, but was refused several times lately.`,
      why: "Lists lag behind capacity.",
      fix: ["Allow more types, zones or regions."],
    });
  }
  if (plan.failedCount > 0 && chosen !== undefined) {
    for (const failure of plan.failures) warnings.push({ ...failure, id: "partial-offers" });
  }
  return warnings;
}
