import { systemClock } from "@runctl/core/provider";
import { CannotSay } from "./case.ts";
import { type CaseResult, type ConformanceReport, runtime, summarise } from "./report.ts";
import { settle, type TestFunctions, testFunctions } from "./runner.ts";
import { words } from "./suite.ts";

/** One rule of a store. */
export interface StoreCase<S> {
  /** Stable: reports and excuses name it. */
  id: string;
  title: string;
  run(subject: S): Promise<void>;
}

/** Options of the store suites. */
export interface StoreConformanceOptions {
  /** Only cases with these ids. Default: all. */
  only?: string[] | undefined;
  /** Cases that are known to fail, with the reason: run, and reported as "excused". */
  excuse?: Record<string, string> | undefined;
  /** One case, in real time. Default 120,000. */
  caseMs?: number | undefined;
}

/** Options of `testObjectStore` and `testStateStore`. */
export interface TestStoreOptions extends StoreConformanceOptions, Partial<TestFunctions> {
  /** The name of the group. */
  name?: string | undefined;
  /** Called with the report after the last case. */
  onReport?: ((report: ConformanceReport) => void | Promise<void>) | undefined;
}

/** Makes a fresh subject; called once for each case. */
export type StoreFactory<S> = () => S | Promise<S>;

/** What every subject of a store suite may bring. */
export interface StoreSubject {
  /** Frees what the factory made. Called after each case. */
  dispose?: (() => void | Promise<void>) | undefined;
}

/** What differs between the suites. */
export interface StoreKind<S> {
  kind: "object-store" | "state-store";
  cases: ReadonlyArray<StoreCase<S>>;
  nameOf: (subject: S) => string;
  close: (subject: S) => Promise<void>;
}

/** One run of a store suite. */
export class StoreSuite<S extends StoreSubject> {
  readonly #kind: StoreKind<S>;
  readonly #factory: StoreFactory<S>;
  readonly #options: StoreConformanceOptions;
  readonly #results: CaseResult[] = [];
  readonly #started = systemClock.monotonic();
  #name = "unknown";

  constructor(kind: StoreKind<S>, factory: StoreFactory<S>, options: StoreConformanceOptions) {
    this.#kind = kind;
    this.#factory = factory;
    this.#options = options;
  }

  /** Runs one case over a fresh subject. Never throws for what the store does. */
  async run({ id, title, run }: StoreCase<S>): Promise<CaseResult> {
    const started = systemClock.monotonic();
    let status: CaseResult["status"] = "passed";
    let why: string | undefined;
    if (this.#options.only !== undefined && !this.#options.only.includes(id)) [status, why] = ["skipped", "not asked for"];
    else {
      try {
        await this.#attempt(id, run);
      } catch (error) {
        const excuse = this.#options.excuse?.[id];
        if (error instanceof CannotSay) [status, why] = [error.status, error.message];
        else [status, why] = excuse === undefined ? ["failed", words(error)] : ["excused", `${excuse} (${words(error)})`];
      }
    }
    const result: CaseResult = {
      id,
      point: 0,
      title,
      status,
      ...(why === undefined ? {} : { why }),
      ms: Math.round(systemClock.monotonic() - started),
    };
    this.#results.push(result);
    return result;
  }

  async #attempt(id: string, run: (subject: S) => Promise<void>): Promise<void> {
    const subject = await this.#factory();
    this.#name = this.#kind.nameOf(subject);
    const limit = this.#options.caseMs ?? 120_000;
    let give: (error: Error) => void = () => undefined;
    const late = new Promise<never>((_, reject) => {
      give = reject;
    });
    const timer = systemClock.timer(limit, () => give(new Error(`${id} did not end within ${limit / 1000} s: some call never settled.`)));
    try {
      await Promise.race([run(subject), late]);
    } finally {
      timer.cancel();
      await this.#kind.close(subject).catch(() => undefined);
      await subject.dispose?.();
    }
  }

  /** The report over the cases that have run. */
  report(): ConformanceReport {
    return {
      v: 1,
      kind: this.#kind.kind,
      subject: { name: this.#name },
      runtime: { ...runtime(), declared: [] },
      ...summarise(this.#results),
      cases: [...this.#results],
      measures: {},
      leftovers: [],
      ms: Math.round(systemClock.monotonic() - this.#started),
    };
  }
}

/** Registers a store suite with a test runner. */
export function registerStore<S extends StoreSubject>(kind: StoreKind<S>, factory: StoreFactory<S>, options: TestStoreOptions): void {
  const { describe, it } = testFunctions(options);
  describe(options.name ?? `${kind.kind} conformance`, () => {
    const suite = new StoreSuite(kind, factory, options);
    for (const one of kind.cases) {
      if (options.only !== undefined && !options.only.includes(one.id)) continue;
      it(`${one.id}: ${one.title}`, async function (this: unknown, ...given: unknown[]) {
        settle(this, given[0], await suite.run(one));
      });
    }
    const { onReport } = options;
    if (onReport !== undefined) it("report", async () => onReport(suite.report()));
  });
}

/** Runs a store suite without a runner. */
export async function runStore<S extends StoreSubject>(
  kind: StoreKind<S>,
  factory: StoreFactory<S>,
  options: StoreConformanceOptions,
): Promise<ConformanceReport> {
  const suite = new StoreSuite(kind, factory, options);
  for (const one of kind.cases) await suite.run(one);
  return suite.report();
}
