import { type Intent, RunctlError, randomId, systemClock, systemRandom, type TrainingProvider } from "@runctl/core/provider";
import { CannotSay, type ConformanceCase } from "./case.ts";
import { classify } from "./classify.ts";
import { ConformanceContext } from "./context.ts";
import type { ConformanceHooks } from "./hooks.ts";
import { unmet } from "./needs.ts";
import { type Observation, observed } from "./observe.ts";
import type { ConformanceOptions, ProviderFactory, ProviderSubject } from "./options.ts";
import { providerCases } from "./provider-cases.ts";
import { type CaseResult, type ConformanceReport, runtime, summarise } from "./report.ts";
import { priceText, Spending } from "./spending.ts";

/** One run of the provider suite: cases share its state id, what they saw and what they spent, and nothing else. */
export class ProviderSuite {
  readonly #factory: ProviderFactory;
  readonly #options: ConformanceOptions;
  readonly #observations: Observation[] = [];
  readonly #results = new Map<string, CaseResult>();
  readonly #measures = new Map<string, number>();
  readonly #spending: Spending;
  readonly #stateId: string;
  readonly #started = systemClock.monotonic();
  #provider: TrainingProvider | undefined;

  constructor(factory: ProviderFactory, options: ConformanceOptions = {}) {
    this.#factory = factory;
    this.#options = options;
    this.#spending = new Spending(options.live?.spendCap, systemClock);
    this.#stateId = `conf${randomId(options.random ?? systemRandom, 12)}`;
  }

  /** Runs one case over a fresh subject. Never throws for what the provider does. */
  async run(one: ConformanceCase): Promise<CaseResult> {
    const started = systemClock.monotonic();
    const finish = (status: CaseResult["status"], why?: string): CaseResult => {
      const result: CaseResult = {
        id: one.id,
        point: one.point,
        title: one.title,
        status,
        ...(why === undefined ? {} : { why }),
        ms: Math.round(systemClock.monotonic() - started),
      };
      this.#results.set(one.id, result);
      return result;
    };
    if (!isWanted(one, this.#options.only)) return finish("skipped", "not asked for");
    const error = await this.#attempt(one);
    if (error === undefined) return finish("passed");
    if (error instanceof CannotSay) return finish(error.status, error.message);
    const excuse = this.#options.excuse?.[one.id];
    return excuse === undefined ? finish("failed", words(error)) : finish("excused", `${excuse} (${words(error)})`);
  }

  async #attempt(one: ConformanceCase): Promise<unknown> {
    let made: Made;
    try {
      made = await this.#subject(one.id);
    } catch (error) {
      return new Error(`The factory failed: ${words(error)}`);
    }
    const { subject, hooks, provider } = made;
    this.#provider = provider;
    try {
      const reason = unmet(one.needs, {
        provider,
        hooks,
        hasSecondClient: made.again !== undefined,
        hasRecording: this.#options.recording !== undefined,
      });
      if (reason !== undefined) return reason;
      const context = new ConformanceContext({
        provider,
        again: made.again,
        hooks,
        options: this.#options,
        clock: subject.clock ?? systemClock,
        random: this.#options.random ?? systemRandom,
        stateId: this.#stateId,
        observations: this.#observations,
        measure: (name, value) => this.#measures.set(name, Math.max(Math.round(value), this.#measures.get(name) ?? 0)),
      });
      const drive = subject.drive ?? ((work) => work);
      const guarded = watchExit(() => this.#observations.push({ caseId: one.id, operation: "process.exit", args: [], ok: true }));
      try {
        await this.#within(() => drive(one.run(context)), one.id);
        return undefined;
      } catch (error) {
        return error;
      } finally {
        guarded();
        const left = await drive(cleanUp(context));
        for (const intent of context.intents) this.#spending.ended(intent.id);
        if (left.length > 0) this.#observations.push({ caseId: one.id, operation: "clean-up", args: [], ok: false, error: left[0] });
      }
    } catch (error) {
      return error;
    } finally {
      await provider.close?.()?.catch(() => undefined);
      await Promise.resolve(subject.dispose?.()).catch(() => undefined);
    }
  }

  async #subject(caseId: string): Promise<Made> {
    const made: unknown = await this.#factory();
    if (!isSubject(made)) throw new Error("it gave neither a provider nor { provider, … }.");
    const subject: ProviderSubject = "provider" in made ? made : { provider: made };
    const plain = !("provider" in made);
    const hooks: ConformanceHooks = {
      ...this.#options.hooks,
      ...subject.hooks,
      faults: { ...this.#options.hooks?.faults, ...subject.hooks?.faults },
    };
    const watch = (provider: TrainingProvider): TrainingProvider =>
      observed(provider, {
        beforeCreate: (intent: Intent) => this.#spending.reserve(intent),
        seen: (observation) => this.#observations.push({ caseId, ...observation }),
      });
    const another = subject.again ?? (plain ? async () => (await this.#factory()) as TrainingProvider : undefined);
    return {
      subject,
      hooks,
      provider: watch(subject.provider),
      again: another === undefined ? undefined : async () => watch(await another()),
    };
  }

  /** Real time: a case that hangs must not hang the run. */
  async #within(work: () => Promise<void>, id: string): Promise<void> {
    const limit = this.#options.limits?.case ?? (this.#options.live === undefined ? 120_000 : 1_800_000);
    let give: (error: Error) => void = () => undefined;
    const late = new Promise<never>((_, reject) => {
      give = reject;
    });
    const timer = systemClock.timer(limit, () => give(new Error(`${id} did not end within ${limit / 1000} s: some call never settled.`)));
    try {
      // Begun after the timer, which must not be taken for something that the case left.
      await Promise.race([work(), late]);
    } finally {
      timer.cancel();
    }
  }

  /** The report over the cases that have run. Looks once more for what was left behind. */
  async report(): Promise<ConformanceReport> {
    const leftovers = await this.#leftovers();
    const cases = providerCases.flatMap((one) => this.#results.get(one.id) ?? []);
    const capabilities = this.#provider?.capabilities;
    const { ok, counts } = summarise(cases);
    return {
      v: 1,
      kind: "provider",
      subject: {
        name: this.#provider?.name ?? "unknown",
        ...(capabilities === undefined ? {} : { capabilities: JSON.parse(JSON.stringify(capabilities)) as Record<string, string> }),
      },
      runtime: { ...runtime(), declared: this.#options.runtimes ?? [] },
      ok: ok && leftovers.length === 0,
      counts,
      cases,
      // A part of the cases proves no class.
      ...(capabilities === undefined || this.#options.only !== undefined ? {} : { class: classify(capabilities, cases, this.#measures) }),
      measures: Object.fromEntries(this.#measures),
      ...(this.#options.live === undefined ? {} : { live: { spendCap: this.#options.live.spendCap, reserved: this.#spending.total() } }),
      leftovers,
      ms: Math.round(systemClock.monotonic() - this.#started),
    };
  }

  async #leftovers(): Promise<string[]> {
    const failed = this.#observations.flatMap(({ operation, caseId, error }) =>
      operation === "clean-up" ? [`${caseId}: ${words(error)}`] : [],
    );
    // A subject of its own for each case has its own far side: nothing of it is left to look at.
    if (this.#options.live === undefined) return failed;
    const { provider, subject } = await this.#subject("leftovers");
    try {
      const { machines, others } = await provider.find({ stateId: this.#stateId });
      return [
        ...failed,
        ...machines
          .filter(({ state }) => state !== "ended" && state !== "ending")
          .map((machine) => `machine ${machine.ref.id} is ${machine.state} (${priceText(machine)})`),
        ...others.map((other) => `${other.ref.kind} ${other.ref.id}`),
      ];
    } catch (error) {
      return [...failed, `could not look: ${words(error)}`];
    } finally {
      await provider.close?.();
      await subject.dispose?.();
    }
  }
}

interface Made {
  subject: ProviderSubject;
  hooks: ConformanceHooks;
  provider: TrainingProvider;
  again: (() => Promise<TrainingProvider>) | undefined;
}

/** A provider, or something that has one; what is wrong inside is for the cases to say. */
function isSubject(made: unknown): made is TrainingProvider | ProviderSubject {
  if (typeof made !== "object" || made === null) return false;
  const provider: unknown = "provider" in made ? made.provider : made;
  const { capabilities } = (typeof provider === "object" && provider !== null ? provider : {}) as { capabilities?: unknown };
  return typeof capabilities === "object" && capabilities !== null;
}

/** Is the case, or its point, among those asked for? */
export function isWanted(one: { id: string; point: number }, only: readonly string[] | undefined): boolean {
  return only === undefined || only.length === 0 || only.includes(one.id) || only.includes(String(one.point));
}

/** An error in words, without its stack. */
export function words(error: unknown): string {
  if (RunctlError.is(error)) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}

async function cleanUp(context: ConformanceContext): Promise<unknown[]> {
  await context.clearFaults();
  await context.hooks.partition?.(false);
  return context.cleanUp();
}

/** Puts a trap into process.exit; the function takes it away again. */
function watchExit(called: () => void): () => void {
  const real = process.exit;
  const trap = ((code?: number) => {
    called();
    throw new Error(`process.exit(${code ?? ""}) was called.`);
  }) as typeof process.exit;
  process.exit = trap;
  return () => {
    if (process.exit === trap) process.exit = real;
  };
}
