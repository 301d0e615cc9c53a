import { SeededRandom } from "../clock/seeded-random.ts";
import type { ProviderClass } from "../cloud/cloud-options.ts";
import type { CaseStep, ExplorerCase } from "./case-id.ts";
import type { CaseResult, RunCase } from "./case-result.ts";
import { type CrashPoint, crashPoints, unseen } from "./enumerate.ts";
import { type CaseKind, type ExplorationReport, ReportBuilder } from "./exploration-report.ts";
import type { Scenario } from "./scenario.ts";

/** How far an exploration goes. Cases are counted, not timed, so that the same numbers are the same cases. */
export interface ExploreOptions {
  providerClass?: ProviderClass | undefined;
  /** Default 1. */
  seed?: number | undefined;
  /** Every case of every kind: hours rather than minutes. Default false. */
  full?: boolean | undefined;
  /** At most so many cases of a kind; what is left out is drawn by the seed. `full` overrides. */
  atMost?: Partial<Record<CaseKind, number>> | undefined;
  /** Called after each case. */
  onCase?: ((kind: CaseKind, result: CaseResult) => void) | undefined;
}

/** What an exploration does when nothing else is said: the whole first level, and a few of everything else. */
export const SAMPLE: Readonly<Record<CaseKind, number>> = {
  "level-1": Number.POSITIVE_INFINITY,
  "level-2": 12,
  abandoned: 3,
  asleep: 4,
  "two-controllers": 4,
  "lost-state": 4,
  "unsynced-kept": 2,
  "second-user": 2,
  "fault-pairs": 6,
};

const SLEEPS = [20, 60, 600];
const FAULT_PAIRS = 200;

/** Kills the program of a scenario wherever it can die, and audits what the successor makes of it. */
export async function explore(scenario: Scenario, runCase: RunCase, options: ExploreOptions = {}): Promise<ExplorationReport> {
  const { providerClass = "A", seed = 1, full = false } = options;
  const head = { scenario: scenario.name, providerClass, seed };
  const random = new SeededRandom(`explore/${scenario.name}/${providerClass}/${seed}`);
  const base = await runCase({ ...head, steps: [] }, { trace: true });
  const trace = base.traces[0] ?? [];
  const builder = new ReportBuilder({ ...head, title: scenario.title, boundaries: trace.length }, base.audit?.machineSeconds ?? 0);
  builder.add(undefined, base);

  const limit = (kind: CaseKind): number => (full ? Number.POSITIVE_INFINITY : (options.atMost?.[kind] ?? SAMPLE[kind]));
  const run = async (kind: CaseKind, candidates: ReadonlyArray<readonly CaseStep[]>, traced = false): Promise<CaseResult[]> => {
    builder.plan(kind, candidates.length);
    const results: CaseResult[] = [];
    for (const steps of draw(candidates, limit(kind), random.fork(kind))) {
      const what: ExplorerCase = { ...head, steps };
      const result = await runCase(what, { trace: traced });
      builder.add(kind, result);
      options.onCase?.(kind, result);
      results.push(result);
    }
    return results;
  };

  const seen = new Set<string>();
  const points = crashPoints(trace);
  const distinct = unseen(points, seen);
  const first = full ? points : distinct;
  const taken = draw(first, limit("level-1"), random.fork("level-1"));
  const worlds = new Set(taken.map((point) => point.key));
  builder.cover(trace.filter((point) => points.filter(({ step }) => step.at === point.at).every(({ key }) => worlds.has(key))).length);
  builder.plan("level-1", first.length);
  const second: CaseStep[][] = [];
  // A sample of the second level needs the calls of a few recoveries only.
  const watched = new Set(draw(taken, full ? Number.POSITIVE_INFINITY : limit("level-2"), random.fork("recoveries")));
  for (const point of taken) {
    // The recovery of a world that was met before is the same recovery.
    const isNew = watched.has(point) && distinct.includes(point);
    const result = await runCase({ ...head, steps: [point.step] }, { trace: isNew });
    builder.add("level-1", result);
    options.onCase?.("level-1", result);
    if (isNew) second.push(...unseen(crashPoints(result.traces[1] ?? []), seen).map(({ step }) => [point.step, step]));
  }
  await run("level-2", second);

  const steps = distinct.map(({ step }) => step);
  await run(
    "abandoned",
    steps.map((step) => [step, { do: "abandon" }]),
  );
  await run(
    "asleep",
    trace.flatMap(({ at }) => SLEEPS.map((seconds): CaseStep[] => [{ do: "sleep", at, seconds }])),
  );
  await run(
    "two-controllers",
    trace.flatMap(
      ({ at }) => [[{ do: "join", at }], ...killsAt(distinct, at).map((kill): CaseStep[] => [{ do: "join", at }, kill])] as CaseStep[][],
    ),
  );
  await run(
    "lost-state",
    steps.map((step) => [step, { do: "lose-state" }]),
  );
  await run(
    "unsynced-kept",
    steps.map((step) => [{ do: "keep-unsynced" }, step]),
  );
  await run(
    "second-user",
    steps.map((step) => [{ do: "second-user" }, step]),
  );
  await run(
    "fault-pairs",
    Array.from({ length: FAULT_PAIRS }, (_, draw): CaseStep[] => [{ do: "faults", draw: draw + 1 }]),
  );
  return builder.finish();
}

function killsAt(points: readonly CrashPoint[], at: number): CaseStep[] {
  return points.filter(({ step }) => step.at === at + 1).map(({ step }) => step);
}

/** At most `count` of the items, drawn by the seed, in their own order. */
function draw<T>(items: readonly T[], count: number, random: SeededRandom): readonly T[] {
  if (items.length <= count) return items;
  const chosen = new Set(random.shuffle(items.map((_, index) => index)).slice(0, count));
  return items.filter((_, index) => chosen.has(index));
}
