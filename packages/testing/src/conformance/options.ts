import type { Clock, Intent, OfferRequest, Random, TrainingProvider } from "@runctl/core/provider";
import type { ConformanceHooks } from "./hooks.ts";
import type { Recording } from "./recording.ts";

/** A provider under test with what belongs to it. */
export interface ProviderSubject {
  /** The provider, as one process has it. */
  provider: TrainingProvider;
  /** Another one over the same far side, as a second process would have it. Absent: what needs two is not provable. */
  again?: (() => TrainingProvider | Promise<TrainingProvider>) | undefined;
  /** Ways to provoke it. They win over those in the options. */
  hooks?: ConformanceHooks | undefined;
  /** The time that the provider lives in. Default: the system's. */
  clock?: Clock | undefined;
  /** Lets a virtual clock run until the work is done. Default: just waits. */
  drive?: (<T>(work: Promise<T>) => Promise<T>) | undefined;
  /** Frees what the factory made (servers, folders). Called after each case. */
  dispose?: (() => void | Promise<void>) | undefined;
}

/**
 * Makes a fresh subject; called once for each case. Where a provider alone is returned, a second call of the factory is taken for a
 * second process over the same far side.
 */
export type ProviderFactory = () => TrainingProvider | ProviderSubject | Promise<TrainingProvider | ProviderSubject>;

/** Limits of a case, in milliseconds of the subject's clock. */
export interface ConformanceLimits {
  /** Until a created machine runs. Default 300,000. */
  running?: number | undefined;
  /** Until a terminated machine is ended or gone. Default 300,000. */
  ended?: number | undefined;
  /** Until a running machine can be reached. Default 300,000. */
  reachable?: number | undefined;
  /** Between a notice and the moment `notices()` or the host hook shows it. Default 5,000 (acceptance row P-14). */
  notice?: number | undefined;
  /** Pause between two listings while waiting. Default: the capabilities' pollMs, at most 1,000 when not live. */
  poll?: number | undefined;
  /** One case in all, in real time. Default 120,000; 1,800,000 when live. */
  case?: number | undefined;
  /** How much a command prints in the case that floods a session, in bytes. Default 100 MiB. */
  burstBytes?: number | undefined;
}

/** Options of the suite. All are optional. */
export interface ConformanceOptions {
  /** Ways to provoke the provider, when they are the same for each subject. */
  hooks?: ConformanceHooks | undefined;
  /** Narrows the offers that are bought; the cheapest that fits is taken. */
  request?: OfferRequest | undefined;
  /** Changes every intent: image, key, boot text, options. */
  intent?: Partial<Pick<Intent, "boot" | "image" | "sshPublicKey" | "diskBytes" | "env" | "options">> | undefined;
  /**
   * Real money: what the whole run may cost, in the offers' currency. Every purchase is counted before it is made; one that could
   * pass the cap is not made, and its case is "skipped". Offers without a price are not bought. Default: not live.
   */
  live?: { spendCap: number } | undefined;
  limits?: ConformanceLimits | undefined;
  /** Only cases with these ids, or of these points ("3"). Default: all. */
  only?: string[] | undefined;
  /** Cases that are known to fail, with the reason. They are run, and reported as "excused"; the class does not rest on them. */
  excuse?: Record<string, string> | undefined;
  /** A recording of the real service, against which this run's answers are compared (point 13). */
  recording?: Recording | undefined;
  /** Other runtimes under which the provider declares to run: shown in the report. */
  runtimes?: Array<"node" | "bun" | "deno"> | undefined;
  /** Seam: the same ids in each run, for playing a recording back. Default: the system's randomness. */
  random?: Random | undefined;
}
