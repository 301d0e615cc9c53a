import type { MetricPattern } from "../spec/run-spec.ts";
import type { ParsedLine } from "./metric-types.ts";

/** A pattern ready to use. */
export interface CompiledPattern {
  expression: RegExp;
  name?: string | undefined;
}

const MAX_MATCHES = 64;

/** Compiles the patterns for log lines; sources that read a file are left out. Their syntax was checked with the spec. */
export function compilePatterns(patterns: readonly MetricPattern[]): CompiledPattern[] {
  return patterns.flatMap(({ pattern, name }) => (pattern === undefined ? [] : [{ expression: new RegExp(pattern, "g"), name }]));
}

/** What the user's patterns find in a line: the group `value` or the first one is the number. */
export function applyPatterns(line: string, patterns: readonly CompiledPattern[]): ParsedLine["metrics"] {
  const metrics: ParsedLine["metrics"] = [];
  for (const { expression, name } of patterns) {
    let matches = 0;
    for (const match of line.matchAll(expression)) {
      const metric = name ?? match.groups?.name;
      const text = (match.groups?.value ?? match[1])?.trim();
      const value = text === undefined || text === "" ? Number.NaN : Number(text);
      if (metric !== undefined && text !== undefined && (!Number.isNaN(value) || /^[-+]?nan$/i.test(text))) {
        const step = match.groups?.step === undefined ? Number.NaN : Number(match.groups.step);
        metrics.push({ name: match.groups?.name ?? metric, value, ...(Number.isFinite(step) ? { step } : {}) });
      }
      matches += 1;
      if (matches >= MAX_MATCHES) break;
    }
  }
  return metrics;
}
