import type { MetricPattern } from "../spec/run-spec.ts";
import type { MetricLine, MetricPoint } from "./metric-types.ts";
import { parseWith } from "./parse-metrics.ts";
import { type CompiledPattern, compilePatterns } from "./user-patterns.ts";

/** Reads metric points from lines, with a run's patterns and the usual forms. */
export class MetricReader {
  readonly #patterns: CompiledPattern[];

  constructor(patterns: readonly MetricPattern[] = []) {
    this.#patterns = compilePatterns(patterns);
  }

  /** The points of one line, in the line's order. */
  read(line: MetricLine): MetricPoint[] {
    return parseWith(line.text, this.#patterns).metrics.map((metric) => ({ ...metric, at: line.at, attempt: line.attempt }));
  }
}
