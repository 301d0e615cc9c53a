import type { HostSession } from "@runctl/core/provider";
import { type AttemptFile, finalSchema } from "@runctl/core/seams";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readPublished } from "../../../core/src/checkpoint/published.ts";
import { HostBed } from "./host-bed.test-support.ts";
import type { SimulatedHost } from "./simulated-host.ts";

// Whatever befalls machines, agents, networks and power, in whatever order: the promises that the rest of the house builds on.

type Blow =
  | { do: "pass"; seconds: number }
  | { do: "attempt"; machine: number }
  | { do: "start-again"; machine: number }
  | { do: "stop" | "cancel"; machine: number }
  | { do: "allowance"; machine: number; seconds: number }
  | { do: "notice"; machine: number; seconds: number }
  | { do: "halt"; machine: number; disk: "kept" | "gone" }
  | { do: "boot"; machine: number }
  | { do: "hang"; machine: number; how: "deaf" | "frozen" | undefined }
  | { do: "cut" | "mend"; machine: number }
  | { do: "kill-supervisor" | "wedge" | "kill-guardian"; machine: number };

const machine = fc.nat({ max: 2 });
const blow: fc.Arbitrary<Blow> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("pass" as const), seconds: fc.integer({ min: 1, max: 150 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("attempt" as const), machine }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("start-again" as const), machine }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("stop" as const, "cancel" as const), machine }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("allowance" as const), machine, seconds: fc.nat({ max: 500 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("notice" as const), machine, seconds: fc.nat({ max: 120 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("halt" as const), machine, disk: fc.constantFrom("kept" as const, "gone" as const) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("boot" as const), machine }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("hang" as const),
      machine,
      how: fc.constantFrom("deaf" as const, "frozen" as const, undefined),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("cut" as const, "mend" as const), machine }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("kill-supervisor" as const, "wedge" as const, "kill-guardian" as const), machine }),
  },
);

/** A controller that is careless: it starts attempts wherever it is told, without waiting for anything. */
class Careless {
  readonly bed: HostBed;
  readonly #hosts: SimulatedHost[];
  readonly #files = new Map<number, AttemptFile>();
  #attempt = 0;

  constructor(guardianAtBoot: boolean) {
    this.bed = new HostBed({ steps: 60, saveEverySteps: 7, uploadSeconds: 11, restoreSeconds: 5 }, { guardianAtBoot });
    this.#hosts = [0, 1, 2].map((index) => this.bed.machine(`m${index}`));
  }

  async strike(step: Blow): Promise<void> {
    if (step.do === "pass") return this.bed.clock.pass(step.seconds);
    const host = this.#hosts[step.machine];
    if (host === undefined) return;
    const file = this.#files.get(step.machine);
    const live = file && host.attempt(file.runId, file.attempt);
    const session = await host.connect().catch(() => undefined);
    if (step.do === "attempt") {
      this.#attempt += 1;
      const next = this.bed.attempt(host.context.id, { attempt: this.#attempt, allowance: { seq: 1, seconds: null, hardSeconds: 3_000 } });
      if (session === undefined) return;
      this.#files.set(step.machine, next);
      await this.#start(host, next);
    } else if (step.do === "start-again") {
      if (file !== undefined && session !== undefined) await this.#start(host, file);
    } else if (step.do === "stop" || step.do === "cancel" || step.do === "allowance") {
      if (session !== undefined && live !== undefined) await this.#tell(session, file as AttemptFile, step);
    } else if (step.do === "notice") host.notice({ action: "terminate", atMs: this.bed.clock.now() + step.seconds * 1000 });
    else if (step.do === "halt") host.halt(step.disk);
    else if (step.do === "boot") {
      if (!host.isOn) host.boot();
    } else if (step.do === "hang") host.hang(step.how);
    else if (step.do === "cut") this.bed.offline.add(host.context.id);
    else if (step.do === "mend") this.bed.offline.delete(host.context.id);
    else if (step.do === "kill-supervisor") live?.killSupervisor();
    else if (step.do === "wedge") live?.wedgeSupervisor();
    else live?.killGuardian();
  }

  async #start(host: SimulatedHost, file: AttemptFile): Promise<void> {
    await this.bed.start(host, file).catch(() => undefined);
  }

  async #tell(session: HostSession, file: AttemptFile, step: Blow): Promise<void> {
    if (step.do === "stop") await this.bed.control(session, file, { op: "stop", cause: "stop" });
    else if (step.do === "cancel") await this.bed.control(session, file, { op: "cancel" });
    else if (step.do === "allowance")
      await this.bed.control(session, file, { op: "allowance", seq: 2, seconds: step.seconds, hardSeconds: 3_000 });
  }
}

test("P-26 P-25 P-27 whatever befalls them: no attempt trains twice, what is published is whole, and a training begins with what its manifest says", {
  timeout: 240_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(blow, { maxLength: 40 }), fc.boolean(), async (blows, guardianAtBoot) => {
      const careless = new Careless(guardianAtBoot);
      const { bed } = careless;
      const firedBefore = bed.clock.fired;
      let seconds = 0;
      for (const step of blows) {
        await careless.strike(step);
        if (step.do === "pass") seconds += step.seconds;
      }
      // Everything has its end: limits hold on machines that nobody looks at.
      for (const host of bed.hosts.hosts.values()) host.hang(undefined);
      await bed.clock.pass(10_000);
      expect(bed.clock.pending).toBe(0);
      expect(bed.clock.fired - firedBefore).toBeLessThan(200 + 6 * (seconds + 4_000));

      const { trainings } = bed.hosts.records;
      expect(new Set(trainings.map((training) => training.attempt)).size).toBe(trainings.length);
      const listing = await readPublished(bed.objects, "memory://world/runs/run1/");
      expect(listing.rejected).toEqual([]);
      for (const { ref } of listing.good) {
        const training = trainings.find((one) => one.attempt === ref.attempt);
        expect(training).toBeDefined();
        expect(ref.step).toBeGreaterThan(training?.stepsFrom ?? Number.POSITIVE_INFINITY);
        expect(ref.step).toBeLessThanOrEqual(training?.stepsTo ?? -1);
      }
      for (const training of trainings) {
        expect(training.to).toBeGreaterThanOrEqual(training.from);
        const base = listing.good.find((found) => found.manifestUri === `memory://world/${training.resumedFrom}`);
        expect(training.resumedFrom === null ? 0 : base?.ref.step).toBe(training.stepsFrom);
        const key = `runs/run1/attempts/${training.attempt}/final.json`;
        if (!(await bed.keys(key)).includes(key)) continue;
        const final = finalSchema.parse(await bed.json(key));
        const there = listing.good.filter(({ ref }) => ref.attempt === training.attempt).length;
        // A manifest may be there whose attempt never heard that it arrived, or came too late: it then says that it is lost.
        expect(final.published).toBeLessThanOrEqual(there);
        if (final.published < there) expect(final.lost.join()).toMatch(/taken over|no route|given up|time was over|time limit/);
        expect(["claim-lost", "busy"]).not.toContain(final.cause);
      }
    }),
    { numRuns: Number(process.env.RUNCTL_HOST_RUNS ?? 120), seed: Number(process.env.RUNCTL_HOST_SEED ?? 20261122) },
  );
});
