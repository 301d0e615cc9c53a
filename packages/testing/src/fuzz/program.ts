/** The machine market of a fuzzed world. Times are seconds after its beginning. */
export interface FuzzMarket {
  /** What the provider promises: "A" token and tags at create, "B" unique name, "C" neither. */
  providerClass: "A" | "B" | "C";
  /** How long a listing lags behind, 0 to 60. */
  lagSeconds: number;
  onDemandPrice: number;
  /** Pairs of time and price, at least one. No step passes `onDemandPrice`, which is the price that spot offers name as their bound. */
  spotPrices: Array<[at: number, price: number]>;
  /** Pairs of time and number of machines: what the spot pool holds. Running machines beyond it are taken away. */
  spotCapacity: Array<[at: number, machines: number]>;
  /** Between the notice and the end of a spot machine; 0: none. */
  noticeSeconds: number;
}

/** The training and what is asked of it. */
export interface FuzzSpec {
  market: "on-demand" | "spot" | "spot-then-on-demand";
  checkpoints: boolean;
  steps: number;
  stepSeconds: number;
  saveEverySteps: number;
  saveSeconds: number;
  uploadSeconds: number;
  setupSeconds: number;
  /** The script crashes right after this step of an attempt's own, once for each attempt that gets there. */
  failAtStep: number | null;
  onSignal: "save" | "exit" | "ignore";
  failures: number;
  /** null: without limit. */
  interruptions: number | null;
  budgetUsd: number | null;
  deadlineMinutes: number | null;
  maxDurationMinutes: number | null;
  onEnd: "terminate" | "stop";
}

/** Operations of the cloud that a program lets fail. */
export type FuzzFaultOp = "offers" | "create" | "find" | "terminate" | "connect" | "host";
/** How they fail. */
export type FuzzFaultKind =
  | "lost"
  | "reply-lost"
  | "throttle"
  | "down"
  | "error-after-effect"
  | "lie"
  | "incomplete"
  | "twice"
  | "late"
  | "applied-late";

/** What somebody, or fate, does. */
export type FuzzDeed =
  | { do: "stop" }
  | { do: "cancel" }
  /** The newest controller dies; what it had in flight was never applied, was applied, or is applied later. */
  | { do: "kill"; variant: "never" | "applied" | "late" }
  /** The newest controller sleeps (a suspended laptop). */
  | { do: "freeze"; seconds: number }
  /** Another controller attaches to the run and drives it when it may. */
  | { do: "attach" }
  | { do: "reconcile" }
  /** A new run from the newest checkpoint of the first. */
  | { do: "resume" }
  /** The newest controller is closed in good order. */
  | { do: "close" }
  /** Somebody stops, or starts, the run's newest machine at the provider's console. */
  | { do: "machine-stop" }
  | { do: "machine-start" }
  /** The provider takes the run's newest machine away, with the market's notice. */
  | { do: "reclaim" }
  /** The wall clock of the newest controller jumps. */
  | { do: "clock-jump"; seconds: number }
  | { do: "fault"; op: FuzzFaultOp; kind: FuzzFaultKind; times: number }
  /** The controllers cannot reach the cloud, or its machines. */
  | { do: "cut"; between: "client-cloud" | "client-host"; seconds: number };

/** A deed and how long after the one before it comes. */
export type FuzzAction = FuzzDeed & { afterSeconds: number };

/** A world, a run and what befalls it: everything that a fuzzed run depends on. Plain JSON. */
export interface FuzzProgram {
  seed: number;
  market: FuzzMarket;
  spec: FuzzSpec;
  /** train() is aborted at this port call of its controller; null: not at all. */
  abortAtCall: number | null;
  /** The first controller dies at this port call; null: not so. */
  killAtCall: { at: number; variant: "never" | "applied" | "late" } | null;
  actions: FuzzAction[];
}

/** A program as it is printed with a failure, and read back by `replayFuzz`. */
export function printProgram(program: FuzzProgram): string {
  return JSON.stringify(program);
}
