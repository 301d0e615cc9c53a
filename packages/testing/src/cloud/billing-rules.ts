/** What the cloud charges for. Times in seconds, prices in `currency`. */
export interface BillingRules {
  /** ISO 4217. Default "USD". */
  currency: string;
  /** Compute is billed from the create call or from "running". Default "create". */
  from: "create" | "running";
  /** Each stretch of running is rounded up to this. 0: not rounded. Default 1, as EC2 does. */
  granularitySeconds: number;
  /** Each stretch of running costs at least this. Default 60, as EC2 does. */
  minimumSeconds: number;
  /** A spot machine reclaimed by the cloud within its first hour costs nothing, as EC2 does. Default false. */
  firstHourFreeOnReclaim: boolean;
  /** Spot machines cost what the market costs at each moment (EC2), or what it was at the start. Default "market". */
  spotPrice: "market" | "locked";
  /** Disk, per GiB and month (730 h), while the machine is on. Default 0. */
  diskPerGibMonth: number;
  /** The same while it is stopped (RunPod takes double). Default: as while it is on. */
  stoppedDiskPerGibMonth?: number | undefined;
  /** Disk of a machine that asks for none, in GiB. Default 8. */
  defaultDiskGib: number;
  /** Volumes, per GiB and month, from creation to deletion, attached or not. Default 0.08 (gp3). */
  volumePerGibMonth: number;
  /** Snapshots, per GiB and month. Default 0.05 (EBS). */
  snapshotPerGibMonth: number;
  /** Traffic out, per GB. Default 0.09 (EC2). */
  egressPerGb: number;
  /** What `costs()` knows lags this far behind. Default 0. */
  recordsLagSeconds: number;
}

export const DEFAULT_BILLING: BillingRules = {
  currency: "USD",
  from: "create",
  granularitySeconds: 1,
  minimumSeconds: 60,
  firstHourFreeOnReclaim: false,
  spotPrice: "market",
  diskPerGibMonth: 0,
  defaultDiskGib: 8,
  volumePerGibMonth: 0.08,
  snapshotPerGibMonth: 0.05,
  egressPerGb: 0.09,
  recordsLagSeconds: 0,
};
