import { costOfAll, type LabelledSegments } from "../cost/cost-of.ts";
import type { ResourceSource } from "../cost/resource-record.ts";
import type { ProjectSpending } from "./project-budget.ts";

/** What the ledger says was spent: in all, since midnight UTC, and per hour now. Unknown prices count as nothing here; plans refuse them under a budget. */
export async function spendingOf(ledger: ResourceSource, now: number): Promise<ProjectSpending> {
  const things: LabelledSegments[] = [];
  let perHourUsd = 0;
  for await (const record of ledger.records()) {
    things.push({ label: record.id, segments: record.segments });
    for (const segment of record.segments) if (segment.to === undefined) perHourUsd += segment.pricePerHour?.amount ?? 0;
  }
  const midnight = Math.floor(now / 86_400_000) * 86_400_000;
  return {
    totalUsd: costOfAll(things, { now }).known.amount,
    todayUsd: costOfAll(things, { now, from: midnight }).known.amount,
    perHourUsd,
  };
}
