import type { Hang } from "./cloud-machine.ts";

/** What shall happen to a machine that is yet to be made. */
export interface MachinePlan {
  hang?: Hang | undefined;
  /** Reclaimed (noticed) this long after it runs, whatever the market says. */
  reclaimAfterMs?: number | undefined;
  /** Notice of that reclaim. Default: the market's. */
  noticeMs?: number | undefined;
  /** How late it shows in listings. */
  lagMs?: number | undefined;
  /** Goes from pending to ended without ever running, for this reason ("Server.InternalError", "Client.VolumeLimitExceeded"). */
  failBoot?: string | undefined;
}
