import type { AttemptCause, HostFinal } from "@runctl/core/seams";
import type { AttemptDisk } from "./attempt-disk.ts";
import { type HostStore, ObjectExists, StoreFailure } from "./host-store.ts";
import type { Life } from "./power.ts";
import type { PublisherModel } from "./publisher.ts";

/** Everything that the end needs to know. */
export interface Ending {
  cause: AttemptCause;
  error: HostFinal["error"];
  exit: AttemptDisk["exit"];
  startedAt: string | null;
}

/** For how long the last records are tried, by kind of store. */
export const RETRY_MS: Record<string, number> = { file: 3_000, s3: 600_000, command: 600_000 };

const digits = (offset: number): string => String(offset).padStart(16, "0");

/** uploads/ship.py and log_chunks.py: what of the attempt's folder belongs into the store while it lasts. */
export class Shipping {
  readonly #disk: AttemptDisk;
  readonly #store: HostStore;
  readonly #status: () => string;
  #turn: Promise<void> = Promise.resolve();

  constructor(disk: AttemptDisk, store: HostStore, status: () => string) {
    this.#disk = disk;
    this.#store = store;
    this.#status = status;
  }

  /** Sends what is new, one call after the other. @throws StoreFailure */
  once(): Promise<void> {
    const turn = this.#turn.then(() => this.#send());
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #send(): Promise<void> {
    if (!this.#disk.isClaimed) return;
    const { runPrefix, attempt } = this.#disk.file;
    await this.#chunk("log", `${runPrefix}log/${attempt}/`);
    await this.#chunk("setupLog", `${runPrefix}setup-log/${attempt}/`);
    const { events, shipped } = this.#disk;
    if (events.size > shipped.events) {
      const { size } = events;
      await this.put("events.jsonl", events.read(0, size));
      shipped.events = size;
    }
    await this.put("status.json", this.#status());
  }

  async #chunk(name: "log" | "setupLog", prefix: string): Promise<void> {
    const log = this.#disk[name];
    const { shipped } = this.#disk;
    while (log.size > shipped[name]) {
      const bytes = log.read(shipped[name], 4 << 20);
      const key = prefix + digits(shipped[name]);
      try {
        await this.#store.put(key, bytes, true);
        shipped[name] += bytes.byteLength;
      } catch (error) {
        if (!(error instanceof ObjectExists)) throw error;
        // Sent before, with an unknown outcome: what is there counts.
        shipped[name] += (await this.#store.size(key)) ?? 0;
      }
    }
  }

  /** One record of the attempt, now, if the attempt is ours. */
  async put(name: string, body: string | Uint8Array): Promise<void> {
    if (!this.#disk.isClaimed) return;
    const { runPrefix, attempt } = this.#disk.file;
    await this.#store.put(`${runPrefix}attempts/${attempt}/${name}`, body);
  }

  /** What of the logs never reached the store. */
  unsent(): string[] {
    const { shipped, log, setupLog } = this.#disk;
    const lost: string[] = [];
    if (log.size > shipped.log) lost.push(`log: bytes ${shipped.log} to ${log.size}`);
    if (setupLog.size > shipped.setupLog) lost.push(`setup.log: bytes ${shipped.setupLog} to ${setupLog.size}`);
    return lost;
  }
}

interface LastPort {
  disk: AttemptDisk;
  store: HostStore;
  open(index: number): HostStore;
  life: Life;
  shipping: Shipping;
  publisher: PublisherModel | undefined;
  giveUpAt: number;
  now(): number;
  emit(event: Record<string, unknown>): void;
}

/** attempt/finish.py: checkpoints, outputs, logs, the exit record. What fails is named in `lost`; the end comes all the same. */
export async function lastUploads(ending: Ending, port: LastPort): Promise<{ lost: string[]; outputs: HostFinal["outputs"] }> {
  const lost: string[] = [];
  const retry = async (what: string, work: () => Promise<void>): Promise<boolean> => {
    const end = Math.min(port.giveUpAt, port.now() + (RETRY_MS[port.store.kind] ?? 0));
    for (let pause = 200; ; pause = Math.min(30_000, pause * 2)) {
      try {
        await work();
        return true;
      } catch (error) {
        if (!(error instanceof StoreFailure)) throw error;
        if (port.now() + pause > end) {
          lost.push(`${what}: ${error.message}`);
          return false;
        }
      }
      await port.life.sleep(pause);
    }
  };
  if (port.publisher !== undefined) lost.push(...(await port.publisher.stop(port.giveUpAt)));
  const outputs = await uploadOutputs(ending, port, lost);
  if (!(await retry("logs", () => port.shipping.once()))) lost.push(...port.shipping.unsent());
  const { exit } = ending;
  if (exit !== undefined) await retry("exit.json", () => port.shipping.put("exit.json", JSON.stringify(exit)));
  return { lost, outputs };
}

/** Anything but an end that the script itself calls good, or that somebody asked for. */
function isFailed(ending: Ending): boolean {
  return !((ending.cause === "exit" && ending.exit?.code === 0) || ending.cause === "done-file" || ending.cause === "stop");
}

/** uploads/outputs.py, at the end only. A job that did not come to its end has written none. */
async function uploadOutputs(ending: Ending, port: LastPort, lost: string[]): Promise<HostFinal["outputs"]> {
  const { file, runner, job, isWhole } = port.disk;
  if (runner === undefined) return [];
  const written = isWhole ? Object.entries(job?.outputs ?? {}) : [];
  const sources = [{ from: "output", store: 0, key: `${file.runPrefix}outputs/`, when: "always" as const }, ...file.outputs];
  const report: HostFinal["outputs"] = [];
  const total = written.reduce((sum, [, text]) => sum + Buffer.byteLength(text), 0);
  const progress = (done: number, detail: string | null): void =>
    port.emit({ type: "progress", operation: "transfer", done, total, unit: "bytes", detail });
  let moved = 0;
  for (const source of sources) {
    if (source.when === "end" && isFailed(ending)) {
      report.push({ from: source.from, to: source.key, files: 0, sizeBytes: 0 });
      continue;
    }
    const store = source.store === 0 ? port.store : port.open(source.store);
    let files = 0;
    let sizeBytes = 0;
    for (const [path, text] of written) {
      if (path !== source.from && !path.startsWith(`${source.from.replace(/\/$/, "")}/`)) continue;
      const name = path === source.from ? "" : path.slice(source.from.replace(/\/$/, "").length + 1);
      const folder = source.key.endsWith("/") || source.key === "" ? source.key : `${source.key}/`;
      const key = name === "" ? (source.key.endsWith("/") ? source.key + (path.split("/").at(-1) ?? "") : source.key) : folder + name;
      try {
        await store.put(key, text);
        files += 1;
        sizeBytes += Buffer.byteLength(text);
        moved += Buffer.byteLength(text);
        // The agent tells it twice a second at most; nothing takes that long here.
        if (moved === Buffer.byteLength(text)) progress(moved, path);
      } catch (error) {
        if (!(error instanceof StoreFailure)) throw error;
        lost.push(`${path}: ${error.message}`);
      }
    }
    if (files > 0 || source.from !== "output") report.push({ from: source.from, to: source.key, files, sizeBytes });
  }
  if (moved > 0) progress(moved, null);
  return report;
}

/** final.json. */
export function finalOf(
  disk: AttemptDisk,
  ending: Ending,
  uploaded: { lost: string[]; outputs: HostFinal["outputs"] },
  seconds: Record<string, number>,
  now: string,
): HostFinal {
  return {
    cause: ending.cause,
    code: ending.exit?.code ?? null,
    signal: ending.exit?.signal ?? null,
    error: ending.error,
    startedAt: ending.startedAt,
    endedAt: ending.exit?.endedAt ?? now,
    outputs: uploaded.outputs,
    lost: [...uploaded.lost],
    resumedFrom: disk.restored?.manifest ?? null,
    published: disk.publisher.published,
    newestCheckpoint: disk.publisher.newest,
    seconds,
    logBytes: disk.log.size,
    setupLogBytes: disk.setupLog.size,
    metricsBytes: 0,
  };
}
