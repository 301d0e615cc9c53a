import type { CostBreakdown } from "../cost/cost.ts";
import { EXPORT_COLUMNS, type ExportData } from "./export-rows.ts";

/** One page that needs nothing else: no script, no link, no image. Every value is escaped. */
export function toHtml(data: ExportData): string {
  const { summary } = data;
  const head = EXPORT_COLUMNS.map((column) => `<th>${column}</th>`).join("");
  const rows = data.resources
    .map((row) => `<tr>${EXPORT_COLUMNS.map((column) => `<td>${escapeHtml(row[column])}</td>`).join("")}</tr>`)
    .join("\n");
  const figures: Array<[string, string]> = [
    ["Per hour", money(summary.hourly)],
    ["So far", money(summary.accumulated)],
    ["Today", money(summary.today)],
    ["Projected day", money(summary.projectedDay)],
    ["Projected week", money(summary.projectedWeek)],
  ];
  const warnings = summary.warnings.map(
    (warning) => `<li>${escapeHtml(`${warning.key}: ${warning.actual.amount} of ${warning.limit.amount} ${warning.limit.currency}`)}</li>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>runctl resources</title>
<style>body{font:14px system-ui,sans-serif;margin:2rem}table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.3rem .5rem;text-align:left}dt{font-weight:bold}</style>
</head><body>
<h1>Resources</h1>
<p>${escapeHtml(data.generatedAt)}</p>
<dl>${figures.map(([name, value]) => `<dt>${name}</dt><dd>${escapeHtml(value)}</dd>`).join("")}</dl>
${warnings.length === 0 ? "" : `<h2>Warnings</h2><ul>${warnings.join("")}</ul>\n`}<table><thead><tr>${head}</tr></thead><tbody>
${rows}
</tbody></table>
</body></html>
`;
}

export function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;").replaceAll("'", "&#39;");
}

function money(cost: CostBreakdown): string {
  return cost.total === undefined ? `at least ${cost.known.amount} ${cost.known.currency}` : `${cost.total.amount} ${cost.total.currency}`;
}
