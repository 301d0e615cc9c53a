import type { AttemptFile, AttemptSecrets, HostExit, HostFinal, HostNoticeRecord } from "@runctl/core/seams";
import { ByteLog } from "./byte-log.ts";
import type { ResolvedJob } from "./job-model.ts";
import type { PublisherDisk } from "./publisher.ts";
import type { Restored } from "./restore.ts";

/** A limit in force, as a control command changes it. */
export type Allowance = AttemptFile["allowance"];

/** An attempt's folder on a machine's disk: what outlives its processes, and the power where the disk does. */
export class AttemptDisk {
  readonly file: AttemptFile;
  readonly log = new ByteLog();
  readonly setupLog = new ByteLog();
  readonly events = new ByteLog();
  /** Bytes of each that are in the store. */
  readonly shipped = { log: 0, setupLog: 0, events: 0 };
  readonly publisher: PublisherDisk = { seq: 0, published: 0, newest: null, pending: [], taking: null };
  /** Commands that no supervisor has executed yet. */
  readonly control: Array<Record<string, unknown>> = [];
  readonly boots: string[] = [];
  readonly seconds: Record<string, number> = {};
  allowance: Allowance;
  endPolicy: AttemptFile["endPolicy"];
  /** This host has the attempt; until then nothing of it goes to the store, where the records may be another machine's. */
  isClaimed = false;
  /** When the attempt began on the boot that it began on. */
  begun: { bootId: string; uptime: number } | undefined;
  /** The training, as its runner wrote it down. */
  runner: { bootId: string; startedUptime: number; startedAt: string } | undefined;
  job: ResolvedJob | undefined;
  restored: Restored | undefined;
  notice: (HostNoticeRecord & { graceSeconds?: number | undefined }) | undefined;
  exit: (HostExit & { spawnError?: string | undefined }) | undefined;
  final: HostFinal | undefined;
  isDone = false;
  /** The job came to its own end, and wrote its outputs. */
  isWhole = false;
  /** The newest finished save that no supervisor has seen. */
  unseenSave: number | undefined;
  /** The agent gave up the hook that ends the machine: it is another run's. */
  hasNoEndHook = false;
  /** The end policy was carried out. */
  ended: string | undefined;
  /** What the guardian saved of the time that was spent, in whole seconds, and on which boot at which uptime. */
  guard = { spentSeconds: 0, bootId: "", uptime: 0 };
  statusSeq = 0;

  constructor(file: AttemptFile) {
    this.file = file;
    this.allowance = file.allowance;
    this.endPolicy = file.endPolicy;
  }

  /** The hook that ends the machine, as bootstrap leaves it to the guardian. */
  get endHook(): string | null {
    if (this.hasNoEndHook) return null;
    const { hooks, endPolicy } = this.file;
    return hooks[endPolicy.action === "stop" ? "stop" : "terminate"] ?? hooks.terminate ?? hooks.stop;
  }

  /** Signal and grace that the attempt asks for, in milliseconds. */
  get graceMs(): number {
    return (this.file.checkpoints?.graceSeconds ?? this.file.stop.graceSeconds) * 1000;
  }

  /** Can it only be set up with what came on standard input? */
  needsSecrets(secrets: AttemptSecrets): boolean {
    return this.file.secretNames.length > 0 || Object.values(secrets.stores).some((store) => Object.keys(store).length > 0);
  }
}
