import type { HostSession, Intent } from "@runctl/core/provider";

/**
 * What stands behind a machine of the emulated cloud: its inside. The cloud calls it when power or notices change; it calls the cloud
 * back through `MachineContext`. Two kinds exist: a model under the virtual clock (hosts/simulated-host.ts) and real local
 * processes under the real clock (hosts/process-host.ts).
 */
export interface MachineHost {
  /** Power is on and the boot is over; also after a stop and start. What was on disk is still there, what ran is not. */
  boot(): void;
  /** The interruption notice is readable on the machine from now on (as IMDS shows it). Called again when it changes. */
  notice(notice: MachineNotice | undefined): void;
  /** Power is gone this instant: nothing of it runs any more. `disk`: whether the disk outlives it (stop) or not (end). */
  halt(disk: "kept" | "gone"): void;
  /** A way in for a controller. Called only while the machine runs and the network lets it through. */
  connect(): Promise<HostSession>;
}

export interface MachineNotice {
  action: "terminate" | "stop" | "rebalance" | "maintenance";
  /** Milliseconds of the cloud's clock at which it happens; absent for hints without a time. */
  atMs?: number | undefined;
}

/** What a machine's inside knows of its outside. */
export interface MachineContext {
  readonly id: string;
  readonly intent: Intent;
  readonly zone: string;
  /** Switches itself off (guardian, `poweroff`): ends or stops billing as the machine's shutdown behaviour says. */
  powerOff(): void;
  /** Ends itself through the cloud's API (guard "host-calls-api"). @throws when the machine's network or the API is cut. */
  endItself(): Promise<void>;
  /** False while the machine's network is cut (its store and the cloud's API cannot be reached from it). */
  isOnline(): boolean;
}

/** Makes the inside of each new machine. */
export type MachineHostFactory = (context: MachineContext) => MachineHost;
