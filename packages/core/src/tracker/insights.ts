import type { Notice } from "../provider/plan.ts";
import type { UsageSample } from "./resource-events.ts";
import type { TrackedResource } from "./tracked-resource.ts";

/** A remark about resources that may waste money. */
export interface Insight extends Notice {
  resourceIds: string[];
}

/** Sources: original.md §1.4 (24 h, $10/h); idle: our own judgement, half an hour of samples below 5 %. */
const OLD_MS = 24 * 3_600_000;
const DEAR_PER_HOUR = 10;
const IDLE_PERCENT = 5;
const IDLE_MS = 30 * 60_000;

/** Pure; only live resources are looked at. */
export function insightsOf(resources: readonly TrackedResource[]): Insight[] {
  const live = resources.filter((resource) => resource.state !== "ended");
  const insights: Insight[] = [];
  const add = (found: TrackedResource[], notice: Notice): void => {
    if (found.length > 0) insights.push({ ...notice, resourceIds: found.map((resource) => resource.id) });
  };
  const on = live.filter((resource) => resource.ref.kind === "machine" && resource.state !== "stopped");
  const burn = live.reduce((sum, resource) => sum + (resource.hourly.known.currency === "USD" ? resource.hourly.known.amount : 0), 0);
  if (burn > DEAR_PER_HOUR) {
    add(
      live.filter((resource) => resource.hourly.known.amount > 0),
      {
        id: "high-burn",
        what: `Everything together burns $${burn.toFixed(2)} per hour.`,
        why: `That is above $${DEAR_PER_HOUR} per hour.`,
        fix: ["See machines.planStop() for what stopping would save."],
      },
    );
  }
  const old = on.filter((resource) => resource.ageMs > OLD_MS);
  add(old, {
    id: "old",
    what: `${old.length} on for more than 24 hours.`,
    why: "Forgotten machines are the dearest ones.",
    fix: ["Terminate what is no longer needed: cleanup.plan() lists what is safe."],
  });
  const stopped = live.filter(
    (resource) => resource.state === "stopped" && (resource.hourly.storage.amount > 0 || !resource.hourly.complete),
  );
  add(stopped, {
    id: "stopped-storage",
    what: `${stopped.length} stopped, but their disks still cost money.`,
    why: "A stopped machine's storage is billed until it is terminated.",
    fix: ["Start or terminate them."],
  });
  const idle = on.filter((resource) => isIdle(resource.usage));
  add(idle, {
    id: "idle-gpu",
    what: `${idle.length} with a GPU below ${IDLE_PERCENT} % for half an hour or more.`,
    why: "An idle GPU is paid for like a busy one.",
    fix: ["Look at machines.usage(id); the input pipeline may be the bottleneck.", "Stop or terminate it when it is done."],
  });
  const unpriced = live.filter((resource) => !resource.hourly.complete);
  add(unpriced, {
    id: "unknown-price",
    what: `${unpriced.length} with an unknown price.`,
    why: "Their cost is missing in every sum.",
    fix: ["resources.refreshCosts() asks the provider for its bill."],
  });
  return insights;
}

/** Idle needs evidence: samples over at least half an hour, all of them with a reading, all below the mark. */
function isIdle(usage: readonly UsageSample[]): boolean {
  const last = usage.at(-1);
  if (last === undefined) return false;
  const since = Date.parse(last.at) - IDLE_MS;
  const recent = usage.filter((sample) => Date.parse(sample.at) >= since);
  const first = recent[0];
  if (first === undefined || recent.length < 3 || Date.parse(last.at) - Date.parse(first.at) < IDLE_MS * 0.9) return false;
  return recent.every(
    (sample) =>
      sample.gpus.length > 0 && sample.gpus.every((gpu) => gpu.utilizationPercent !== undefined && gpu.utilizationPercent < IDLE_PERCENT),
  );
}
