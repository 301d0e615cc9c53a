import { type CaseResult, type ConformanceReport, POINTS } from "./report.ts";

/** The report for people: verdict and class first, then what failed, then what could not be shown. */
export function reportText(report: ConformanceReport): string {
  const { counts } = report;
  const cases = report.cases.filter((one) => one.why !== "not asked for");
  const lines = [
    `${report.subject.name}: ${report.ok ? "conforms" : "does NOT conform"}. ${said(counts)} (${report.runtime.name} ${report.runtime.version}, ${(report.ms / 1000).toFixed(1)} s)`,
    "",
    ...table(cases),
  ];
  const { class: found } = report;
  if (found !== undefined) {
    lines.push("", `Class ${found.class}${found.class === found.declared ? "" : ` (declared ${found.declared})`}: ${found.exposure.text}`);
    if (found.against.length > 0) lines.push(`  Against a better class: ${found.against.join(", ")}`);
    if (found.assumed.length > 0) lines.push(`  Assumed, not shown: ${found.assumed.join(", ")}`);
  }
  const measures = Object.entries(report.measures).map(([name, ms]) => `${name} ${ms}`);
  if (measures.length > 0) lines.push("", `Measured: ${measures.join(", ")}`);
  if (report.live !== undefined) lines.push("", `Live: ${report.live.reserved.toFixed(4)} reserved of ${report.live.spendCap}`);
  for (const [status, title] of [
    ["failed", "FAILED"],
    ["excused", "Excused"],
    ["not-provable", "Not provable here"],
    ["skipped", "Skipped"],
  ] as const) {
    const some = cases.filter((one) => one.status === status);
    if (some.length > 0) lines.push("", `${title}:`, ...some.map((one) => `  ${one.id}: ${oneLine(one.why ?? "")}`));
  }
  if (report.leftovers.length > 0) lines.push("", "LEFT BEHIND:", ...report.leftovers.map((left) => `  ${left}`));
  return `${lines.join("\n")}\n`;
}

const MARKS = { passed: "+", failed: "F", excused: "x", "not-provable": "?", "not-applicable": ".", skipped: "-" } as const;

function table(cases: readonly CaseResult[]): string[] {
  if (cases.length === 0) return ["no case was asked for"];
  const points = [...new Set(cases.map((one) => one.point))].sort((a, b) => a - b);
  const width = Math.max(...points.map((point) => (POINTS[point] ?? "Rules").length));
  const rows = points.map((point) => {
    const own = cases.filter((one) => one.point === point);
    const marks = own.map((one) => MARKS[one.status]).join("");
    return `${String(point || "").padStart(2)}  ${(POINTS[point] ?? "Rules").padEnd(width)}  ${marks}`;
  });
  return [...rows, "    + passed   F failed   x excused   ? not provable   . not applicable   - skipped"];
}

function said(counts: ConformanceReport["counts"]): string {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([status, count]) => `${count} ${status.replace("-", " ")}`)
    .join(", ");
}

function oneLine(text: string): string {
  const flat = text.replaceAll(/\s*\n\s*/g, " ").trim();
  return flat.length > 300 ? `${flat.slice(0, 300)}…` : flat;
}
