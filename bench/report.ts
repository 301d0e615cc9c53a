// What every bench has in common: ratios of medians, and one line that bench/run.ts reads.

/** One line of the table. `measured` and `limit` share the unit. */
export interface BenchRow {
  what: string;
  measured: number;
  /** undefined: reported, not limited. */
  limit?: number | undefined;
  unit: string;
  /** "most": measured must not exceed the limit (default); "least": must reach it. */
  bound?: "most" | "least" | undefined;
}

export const MARK = "BENCH-ROWS ";

/** The middle value; for an even number the lower of the two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

export function passes(row: BenchRow): boolean {
  if (row.limit === undefined) return true;
  return row.bound === "least" ? row.measured >= row.limit : row.measured <= row.limit;
}

function figure(value: number, unit: string): string {
  const digits = Math.abs(value) >= 100 ? 0 : 2;
  return `${value.toFixed(digits)}${unit === "" ? "" : ` ${unit}`}`;
}

export function formatRow(row: BenchRow): string {
  const limit = row.limit === undefined ? "-" : `${row.bound === "least" ? "≥" : "≤"} ${figure(row.limit, row.unit)}`;
  const verdict = row.limit === undefined ? "" : passes(row) ? "pass" : "MISSED";
  return `${row.what.padEnd(58)} ${figure(row.measured, row.unit).padStart(12)} ${limit.padStart(12)}  ${verdict}`;
}

/** Prints the rows for people and, in one line, for bench/run.ts. */
export function report(rows: readonly BenchRow[]): void {
  for (const row of rows) console.log(formatRow(row));
  console.log(MARK + JSON.stringify(rows));
}
