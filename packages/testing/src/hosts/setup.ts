import type { AttemptCause, HostFinal, HostStatus } from "@runctl/core/seams";
import type { AttemptDisk } from "./attempt-disk.ts";
import { type HostStore, ObjectExists, StoreFailure } from "./host-store.ts";
import type { ResolvedJob } from "./job-model.ts";
import type { Life } from "./power.ts";
import { type Restored, restore, SetupFailure } from "./restore.ts";
import { stage } from "./stage.ts";

/** This attempt must not train here. */
export class Refused extends Error {
  readonly attemptCause: AttemptCause;
  readonly error: NonNullable<HostFinal["error"]>;

  constructor(cause: AttemptCause, error: NonNullable<HostFinal["error"]>) {
    super(error.what);
    this.attemptCause = cause;
    this.error = error;
  }
}

/** The attempt was told to end meanwhile. */
export class SetupEnded extends Error {}

/** What the training begins with. */
export interface Prepared {
  job: ResolvedJob;
  restored: Restored | undefined;
}

/** Setup's view of its supervisor. */
export interface SetupPort {
  busyWith: string | undefined;
  resolve(circumstances: { resumedStep: number }): ResolvedJob;
  phase(phase: HostStatus["phase"]): void;
  iso(): string;
  rejected(manifest: string, reason: string): void;
  isEnding(): boolean;
}

const CLAIM_TRIES = 4;

/** setup/prepare.py: the claim, the checkpoint, and the time that all the rest takes. */
export async function prepare(disk: AttemptDisk, store: HostStore, checkpoints: HostStore, life: Life, port: SetupPort): Promise<Prepared> {
  const check = (): void => {
    if (port.isEnding()) throw new SetupEnded();
  };
  port.phase("claiming");
  for (let tried = 1, pause = 500; ; tried++, pause *= 2) {
    try {
      await claim(disk, store);
      break;
    } catch (error) {
      if (!(error instanceof StoreFailure) || tried === CLAIM_TRIES) throw error;
    }
    await life.sleep(pause);
    check();
  }
  disk.isClaimed = true;
  check();
  if (port.busyWith !== undefined) {
    throw new Refused("busy", {
      what: `run ${port.busyWith} is training on this host`,
      why: "Two runs on one machine would share its memory, disk and GPUs.",
      fix: [`Wait for run ${port.busyWith}, or stop it`, "Allow both with machine sharing (shared: true)"],
    });
  }
  port.phase("inputs");
  if (disk.file.code !== null) {
    await stage(disk.file.code, store);
    check();
  }
  const restored = await restore(disk.file, {
    store: checkpoints,
    iso: port.iso,
    rejected: port.rejected,
    pause: async (ms) => {
      check();
      await life.sleep(ms);
      check();
    },
  });
  check();
  const job = port.resolve({ resumedStep: restored?.step ?? 0 });
  port.phase("dependencies");
  const ms = job.setupMs + (restored === undefined ? 0 : job.restoreMs);
  if (ms > 0) await life.sleep(ms);
  check();
  if (job.setupFails !== undefined) {
    disk.setupLog.append(`${job.setupFails.what}\n`);
    throw new SetupFailure(job.setupFails.what, job.setupFails.why, []);
  }
  return { job, restored };
}

/** Create-only in the store: of two machines with the same attempt one trains. */
async function claim(disk: AttemptDisk, store: HostStore): Promise<void> {
  const { runPrefix, attempt, runId, machineId: machine, nonce } = disk.file;
  const key = `${runPrefix}attempts/${attempt}/claim`;
  try {
    await store.put(key, JSON.stringify({ machine, nonce }), true);
  } catch (error) {
    if (!(error instanceof ObjectExists)) throw error;
    const theirs = parse(await store.get(key));
    if (theirs.nonce === nonce) return;
    throw new Refused("claim-lost", {
      what: `attempt ${attempt} of run ${runId} is claimed by machine ${theirs.machine}`,
      why: "An attempt is never trained twice.",
      fix: [],
    });
  }
}

function parse(bytes: Uint8Array): { machine?: unknown; nonce?: unknown } {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as { machine?: unknown; nonce?: unknown };
  } catch {
    return {};
  }
}
