import type { HostEvent } from "../host/records.ts";
import type { EngineContext } from "./context.ts";
import type { RunLogEvent } from "./log-events.ts";
import type { RunState } from "./run-state.ts";

/** What carries out a command sees of the driver: the state, the gate, and the ways to write down what happened. */
export interface DriverPort {
  readonly context: EngineContext;
  readonly runId: string;
  readonly state: RunState;
  /** Aborts when the driver stops: every wait inside it ends. */
  readonly signal: AbortSignal;
  /** Intents recorded by this driver: their create was certainly not sent by anybody else. */
  readonly recordedHere: Set<string>;
  /** Throws once the driver may not act any more. Call before every effect. */
  gate(): Promise<void>;
  /** Appends what happened; a fact stays a fact whoever else wrote meanwhile. */
  fact(...events: RunLogEvent[]): Promise<void>;
  /** As `fact`, not synced one by one. */
  note(...events: RunLogEvent[]): Promise<void>;
  /** Appends a decision: dropped when the log has moved on since version `madeAt`. */
  decided(events: RunLogEvent[], madeAt?: number): Promise<void>;
  /** Appends what `make` wants for the newest state. */
  update(make: (state: RunState) => RunLogEvent[]): Promise<void>;
  onChange(listener: () => void): () => void;
  /** Standing work of this key has looked at its object at least once. */
  markSeen(key: string): void;
  progress(attempt: number, event: Extract<HostEvent, { type: "progress" }>): void;
}
