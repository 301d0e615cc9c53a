/** The world can go no further, and what was waited for has not happened. `report` says what was waiting, one line each. */
export class StuckError extends Error {
  override readonly name = "StuckError";
  readonly report: readonly string[];

  constructor(what: string, report: readonly string[]) {
    super([what, ...report.map((line) => `  ${line}`)].join("\n"));
    this.report = report;
  }
}
