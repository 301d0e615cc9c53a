import type { EmulatedCloudOptions } from "./cloud-options.ts";

// Figures of the vendors' documentation as of November 2026. They say what kind of cloud it is, not what it costs.

/** As EC2 behaves: tokens (zonal) and tags in the call, notices of two minutes, the first hour free after a reclaim, seconds billed from a minute on. */
export const EC2_LIKE: EmulatedCloudOptions = {
  class: "A",
  tokenScope: "zone",
  multiPool: true,
  transitions: { pendingMs: 15_000, endingMs: 20_000, stoppingMs: 30_000, volumeMs: 2_000 },
  listing: { lagMs: [0, 5_000], pageSize: 1_000 },
  spot: { noticeMs: 120_000 },
  billing: { from: "running", minimumSeconds: 60, granularitySeconds: 1, firstHourFreeOnReclaim: true, diskPerGibMonth: 0.08 },
  throttle: { create: { burst: 5, perSecond: 2 }, find: { burst: 100, perSecond: 20 }, terminate: { burst: 100, perSecond: 5 } },
};

/** As RunPod's pods behave: a name and no token, one at a time, spot stops with 5 s between signal and end, a stopped disk at double price, no API for notices. */
export const RUNPOD_LIKE: EmulatedCloudOptions = {
  class: "B",
  gang: "none",
  transitions: { pendingMs: 60_000, endingMs: 0, stoppingMs: 5_000 },
  listing: { keepEndedMs: 0, lagMs: [0, 2_000] },
  spot: { noticeMs: 5_000, onReclaim: "stop" },
  billing: {
    minimumSeconds: 0,
    spotPrice: "locked",
    diskPerGibMonth: 0.1,
    stoppedDiskPerGibMonth: 0.2,
    volumePerGibMonth: 0.07,
    egressPerGb: 0,
  },
  onPowerOff: "keeps-billing",
  without: ["notices", "tag"],
};

/** As Lyceum's machines behave: a name and no token, no stop, spot without notice, billed from ready until they are deleted, whatever the host does. */
export const LYCEUM_LIKE: EmulatedCloudOptions = {
  class: "B",
  gang: "none",
  transitions: { pendingMs: 100_000 },
  listing: { lagMs: [0, 10_000], hideFullOffers: true },
  spot: { noticeMs: 0 },
  billing: { from: "running", minimumSeconds: 0, spotPrice: "locked", egressPerGb: 0 },
  onPowerOff: "keeps-billing",
  capabilities: { guard: "none" },
  without: ["stop", "start", "notices", "tag", "usage", "volumes"],
};
