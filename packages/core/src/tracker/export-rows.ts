import { iso } from "../cost/segments.ts";
import type { ResourceSummary } from "./resource-summary.ts";
import type { TrackedResource } from "./tracked-resource.ts";

/** The columns of every export, in order. Amounts are decimal text; empty means unknown, never 0. */
export const EXPORT_COLUMNS = [
  "id",
  "name",
  "provider",
  "kind",
  "region",
  "type",
  "market",
  "state",
  "project",
  "user",
  "run",
  "createdAt",
  "endedAt",
  "hourly",
  "accumulated",
  "currency",
  "complete",
] as const;

export type ExportRow = Record<(typeof EXPORT_COLUMNS)[number], string>;

/** What json, csv and html are all made from: they cannot disagree. */
export interface ExportData {
  generatedAt: string;
  summary: ResourceSummary;
  resources: ExportRow[];
}

export function exportData(resources: readonly TrackedResource[], summary: ResourceSummary, now: number): ExportData {
  return { generatedAt: iso(now), summary, resources: resources.map(toRow) };
}

function toRow(resource: TrackedResource): ExportRow {
  return {
    id: resource.id,
    name: resource.name,
    provider: resource.ref.provider,
    kind: resource.ref.kind,
    region: resource.region ?? "",
    type: resource.type ?? "",
    market: resource.market ?? "",
    state: resource.state,
    project: resource.project,
    user: resource.user,
    run: resource.runId ?? "",
    createdAt: resource.createdAt,
    endedAt: resource.endedAt ?? "",
    hourly: resource.hourly.total === undefined ? "" : amount(resource.hourly.total.amount),
    accumulated: resource.cost.total === undefined ? "" : amount(resource.cost.total.amount),
    currency: resource.cost.known.currency,
    complete: String(resource.cost.complete && resource.hourly.complete),
  };
}

/** Micro-units without an exponent: 1e-7 is nothing a spreadsheet should guess at. */
function amount(value: number): string {
  return value.toFixed(6).replace(/\.?0+$/, "");
}
