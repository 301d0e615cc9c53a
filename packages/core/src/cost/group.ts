import type { CostBreakdown, CostWindow } from "./cost.ts";
import { breakdown } from "./record-cost.ts";
import type { ResourceRecord } from "./resource-record.ts";
import { timeOf } from "./segments.ts";

/** What a cost report is grouped by. Days are UTC days. */
export type CostGrouping = "run" | "project" | "provider" | "user" | "day";

/** One line of a report. `key` is the run's id, the project, …, or the day as "2026-01-31"; "" for things without a run. */
export interface CostRow {
  key: string;
  cost: CostBreakdown;
  /** How many resources are in it. */
  resources: number;
}

const DAY_MS = 86_400_000;

/** The window with real bounds: from the first segment (or the given start) to now at most. */
export function boundsOf(records: readonly ResourceRecord[], window: CostWindow): { from: number; to: number } {
  const now = timeOf(window.now);
  const to = Math.min(now, window.to === undefined ? now : timeOf(window.to));
  let first = to;
  for (const record of records) {
    for (const segment of record.segments) {
      const from = timeOf(segment.from);
      if (from < first) first = from;
    }
  }
  return { from: window.from === undefined ? first : timeOf(window.from), to };
}

/** The UTC days a window touches, each with its own window: adjoining, so that days add up to the whole exactly. */
export function daysOf(bounds: { from: number; to: number }): Array<{ day: string; from: number; to: number }> {
  const days: Array<{ day: string; from: number; to: number }> = [];
  for (let start = Math.floor(bounds.from / DAY_MS) * DAY_MS; start < bounds.to; start += DAY_MS) {
    days.push({
      day: new Date(start).toISOString().slice(0, 10),
      from: Math.max(start, bounds.from),
      to: Math.min(start + DAY_MS, bounds.to),
    });
  }
  return days;
}

/** Rows sorted by key for days, else dearest first. Records that cost nothing in the window and miss nothing are left out. */
export function groupCosts(records: readonly ResourceRecord[], by: CostGrouping, window: CostWindow): CostRow[] {
  if (by === "day") {
    const rows: CostRow[] = [];
    // Nothing was paid for before the first segment: a report "since 1970" does not walk through twenty thousand empty days.
    const first = boundsOf(records, { ...window, from: undefined }).from;
    const bounds = boundsOf(records, window);
    for (const day of daysOf({ from: Math.max(first, bounds.from), to: bounds.to })) {
      const alive = records.filter((record) => touches(record, day.from, day.to));
      if (alive.length === 0) continue;
      rows.push({ key: day.day, cost: breakdown(alive, { ...window, from: day.from, to: day.to }), resources: alive.length });
    }
    return rows;
  }
  const bounds = boundsOf(records, window);
  const groups = new Map<string, ResourceRecord[]>();
  for (const record of records) {
    if (!touches(record, bounds.from, bounds.to)) continue;
    const key = keyOf(record, by);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [record]);
    else group.push(record);
  }
  return [...groups]
    .map(([key, group]) => ({ key, cost: breakdown(group, window), resources: group.length }))
    .sort((a, b) => b.cost.known.amount - a.cost.known.amount || (a.key < b.key ? -1 : 1));
}

function keyOf(record: ResourceRecord, by: Exclude<CostGrouping, "day">): string {
  if (by === "run") return record.runId ?? "";
  if (by === "project") return record.project;
  if (by === "user") return record.user;
  return record.ref.provider;
}

/** True when some segment lies in the window, or cannot be read and must therefore be shown. */
function touches(record: ResourceRecord, from: number, to: number): boolean {
  return record.segments.some((segment) => {
    const start = timeOf(segment.from);
    const end = segment.to === undefined ? Number.POSITIVE_INFINITY : timeOf(segment.to);
    return Number.isNaN(start) || Number.isNaN(end) || (start < to && end > from);
  });
}
