import type { MetricPattern } from "../spec/run-spec.ts";
import { boundedLine } from "./bounded-line.ts";
import { parseJsonForm } from "./json-form.ts";
import type { ParsedLine } from "./metric-types.ts";
import { parseTextForms } from "./text-forms.ts";
import { applyPatterns, type CompiledPattern, compilePatterns } from "./user-patterns.ts";

/**
 * Metrics and progress of one line: the user's patterns, and the usual forms (JSON lines, "[PROGRESS] {…}", "epoch 3/20",
 * progress bars, key=value pairs), which are always recognised. A name that the user's patterns found is theirs.
 * At most 8 KiB of a line are looked at; anything may be in it.
 */
export function parseMetrics(line: string, patterns: readonly MetricPattern[] = []): ParsedLine {
  return parseWith(line, compilePatterns(patterns));
}

/** The same with patterns that are compiled already. */
export function parseWith(line: string, patterns: readonly CompiledPattern[]): ParsedLine {
  const text = boundedLine(line);
  const own = applyPatterns(text, patterns);
  const usual = parseJsonForm(text) ?? parseTextForms(text);
  if (own.length === 0) return usual;
  const names = new Set(own.map((metric) => metric.name));
  const metrics = [...own, ...usual.metrics.filter((metric) => !names.has(metric.name))];
  return usual.progress === undefined ? { metrics } : { metrics, progress: usual.progress };
}
