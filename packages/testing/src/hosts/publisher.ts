import { sha256Hex } from "@runctl/core/provider";
import { type AttemptFile, fileListDigest } from "@runctl/core/seams";
import { checkpointBytes, checkpointName } from "./checkpoint-file.ts";
import { type HostStore, ObjectExists, StoreFailure } from "./host-store.ts";
import type { ResolvedJob, TornHow } from "./job-model.ts";
import { Late, Latest } from "./latest.ts";
import type { Life } from "./power.ts";

/** A finished save on the machine's disk that has not been published. */
export interface Snapshot {
  seq: number;
  step: number;
  createdAt: string;
}

/** What the publisher leaves on the machine's disk. */
export interface PublisherDisk {
  seq: number;
  published: number;
  newest: string | null;
  pending: Snapshot[];
  /** On its way; still on the disk until it is published. */
  taking: Snapshot | null;
}

/** What the publisher needs of its attempt. */
export interface PublisherHost {
  store: HostStore;
  life: Life;
  iso(): string;
  emit(event: Record<string, unknown>): void;
  wasTold(manifest: string): boolean;
  decision(text: string): void;
  changed(): void;
}

const RETRY_CAP_MS = 30_000;
const RETRIES_AT_END = 5;

/** The agent's ckpt/publisher.py by time: one upload at once, a newer save of the series replaces one that waits, manifest last, then LATEST. */
export class PublisherModel {
  readonly #file: AttemptFile;
  readonly #prefix: string;
  readonly #job: ResolvedJob;
  readonly #host: PublisherHost;
  readonly #disk: PublisherDisk;
  readonly #latest: Latest;
  readonly #failures = new Map<number, string>();
  readonly #lost: string[] = [];
  readonly #said = new Set<string>();
  #current: Snapshot | undefined;
  #late: Late | undefined;
  #isEnding = false;
  #isAbandoned = false;
  #isRunning = false;
  #wakeUp: (() => void) | undefined;
  #drained: (() => void) | undefined;
  /** Seconds that the last upload took; undefined before the first. */
  saveSeconds: number | undefined;

  constructor(file: AttemptFile, prefix: string, job: ResolvedJob, disk: PublisherDisk, host: PublisherHost) {
    this.#file = file;
    this.#prefix = prefix;
    this.#job = job;
    this.#disk = disk;
    // A predecessor died over it.
    if (disk.taking !== null) disk.pending.unshift(disk.taking);
    disk.taking = null;
    this.#host = host;
    this.#latest = new Latest(host.store, prefix, file.attempt, file.nonce);
  }

  /** The save that is on its way. */
  get uploading(): string | null {
    return this.#current === undefined ? null : checkpointName(this.#current.step);
  }

  /** A save has come to rest. */
  take(step: number): void {
    if (this.#late !== undefined) return;
    this.#disk.seq += 1;
    // A newer one of its series is there: what still waits is needless.
    this.#disk.pending = [{ seq: this.#disk.seq, step, createdAt: this.#host.iso() }];
    this.start();
  }

  /** Goes on with what waits. */
  start(): void {
    if (this.#isRunning || this.#disk.pending.length === 0 || this.#isAbandoned || this.#late !== undefined) return;
    this.#isRunning = true;
    void this.#uploadLoop().finally(() => {
      this.#isRunning = false;
      this.#drained?.();
      this.start();
    });
  }

  /** The training has ended: uploads what is left until the monotonic instant `deadline`; what was lost, one text each. */
  async stop(deadline: number): Promise<string[]> {
    this.#isEnding = true;
    this.start();
    this.#wakeUp?.();
    const drained = new Promise<void>((resolve) => {
      this.#drained = resolve;
      if (!this.#isRunning) resolve();
    });
    let timer: { cancel(): void } | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#host.life.at(deadline, resolve);
    });
    await Promise.race([drained, late]);
    timer?.cancel();
    this.#isAbandoned = true;
    const lost = this.#disk.pending.map((snapshot) => this.#lostText(snapshot, this.#failures.get(snapshot.seq)));
    if (this.#current !== undefined) {
      lost.push(this.#lostText(this.#current, this.#failures.get(this.#current.seq) ?? "the time was over before its upload was"));
    }
    return [...lost, ...this.#lost];
  }

  #lostText(snapshot: Snapshot, why: string | undefined): string {
    const reason = this.#late?.message ?? why ?? "the time was over before its upload began";
    return `checkpoint ${checkpointName(snapshot.step)} (${this.#bytes(snapshot).byteLength} bytes): ${reason}`;
  }

  async #uploadLoop(): Promise<void> {
    let failures = 0;
    let failuresAtEnd = 0;
    for (;;) {
      const snapshot = this.#isEnding ? this.#disk.pending.pop() : this.#disk.pending.shift();
      if (snapshot === undefined || this.#isAbandoned) {
        if (snapshot !== undefined) this.#disk.pending.push(snapshot);
        return;
      }
      this.#current = snapshot;
      this.#disk.taking = snapshot;
      this.#host.changed();
      let again = false;
      try {
        await this.#publish(snapshot);
        failures = 0;
      } catch (error) {
        if (error instanceof Late) {
          this.#late = error;
          this.#lost.push(this.#lostText(snapshot, undefined));
          this.#say(`publishing stopped: ${error.message}`);
          this.#disk.pending = [];
          this.#settle();
          return;
        }
        if (!(error instanceof StoreFailure)) throw error;
        again = true;
        failures += 1;
        if (this.#isEnding) failures = ++failuresAtEnd;
        this.#failures.set(snapshot.seq, error.message);
        this.#say(`checkpoint ${checkpointName(snapshot.step)} could not be uploaded: ${error.message}`);
      }
      this.#settle();
      if (!again) continue;
      // A newer one of its kind waits: no use in trying the old one again.
      if (this.#disk.pending.length === 0) {
        if (this.#isEnding && failuresAtEnd >= RETRIES_AT_END) {
          this.#lost.push(this.#lostText(snapshot, this.#failures.get(snapshot.seq)));
          return;
        }
        this.#disk.pending.push(snapshot);
      }
      await this.#pause(Math.min(RETRY_CAP_MS, 250 * 2 ** Math.min(failures, 10)));
    }
  }

  #pause(ms: number): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.#wakeUp = resolve;
    });
    return Promise.race([this.#host.life.sleep(ms), woken]);
  }

  async #publish(snapshot: Snapshot): Promise<void> {
    const { store, life } = this.#host;
    const began = life.power.uptime;
    await this.#latest.check();
    const folder = `${this.#prefix}${this.#file.attempt}/${String(snapshot.seq).padStart(6, "0")}/`;
    const path = checkpointName(snapshot.step);
    const bytes = this.#bytes(snapshot);
    const torn = this.#job.tornAt?.step === snapshot.step ? this.#job.tornAt.how : undefined;
    // The data is there from the beginning of the upload: so there is always a time in which files have no manifest.
    if (torn !== "missing") await store.put(`${folder}files/${path}`, damaged(bytes, torn));
    if (this.#job.uploadMs > 0) await life.sleep(this.#job.uploadMs);
    // The end was told without it: nothing may appear afterwards that the last record calls lost.
    if (this.#isAbandoned) throw new StoreFailure("it was given up");
    if (torn === undefined) {
      const held = await store.size(`${folder}files/${path}`);
      if (held !== bytes.byteLength) throw new StoreFailure(`the store holds ${held} bytes of ${path} instead of ${bytes.byteLength}`);
    }
    const files = [{ path, size: bytes.byteLength, sha256: sha256Hex(bytes) }];
    const manifest = {
      v: 1,
      run: this.#file.runId,
      attempt: this.#file.attempt,
      seq: snapshot.seq,
      path,
      kind: "file",
      step: snapshot.step,
      format: "json",
      grade: "verified",
      files,
      sizeBytes: bytes.byteLength,
      sha256: fileListDigest(files),
      nonce: this.#file.nonce,
      createdAt: snapshot.createdAt,
      worldSize: null,
      metrics: this.#job.silent ? {} : this.#job.metricsAt(snapshot.step),
    };
    const key = `${folder}manifest.json`;
    const text = JSON.stringify(manifest);
    const known = await this.#putManifest(key, torn === "manifest" ? text.slice(0, text.length / 2) : text, manifest.sha256);
    this.saveSeconds = life.power.uptime - began;
    await this.#latest.move(snapshot.seq, key, this.#host.iso());
    if (!(known && this.#host.wasTold(key))) this.#host.emit({ type: "checkpoint-published", manifest: key });
    this.#disk.published += 1;
    this.#failures.delete(snapshot.seq);
    if (this.#disk.newest === null || key > this.#disk.newest) this.#disk.newest = key;
    this.#settle();
    this.#host.changed();
  }

  #settle(): void {
    this.#current = undefined;
    this.#disk.taking = null;
  }

  /** True when it was there already: our own earlier write had arrived. */
  async #putManifest(key: string, text: string, sha256: string): Promise<boolean> {
    const { store } = this.#host;
    try {
      await store.put(key, text, true);
      return false;
    } catch (error) {
      if (!(error instanceof ObjectExists)) throw error;
      const there: unknown = JSON.parse(new TextDecoder().decode(await store.get(key)));
      const record = there as { nonce?: unknown; sha256?: unknown } | null;
      if (record?.nonce === this.#file.nonce && record.sha256 === sha256) return true;
      throw new StoreFailure(`${key} is somebody else's`);
    }
  }

  #bytes(snapshot: Snapshot): Uint8Array {
    return checkpointBytes({ step: snapshot.step, runId: this.#file.runId, attempt: this.#file.attempt }, this.#job.checkpointBytes);
  }

  #say(text: string): void {
    if (this.#said.has(text)) return;
    this.#said.add(text);
    this.#host.decision(text);
  }
}

function damaged(bytes: Uint8Array, how: TornHow | undefined): Uint8Array {
  if (how === "size") return bytes.subarray(0, bytes.byteLength >> 1);
  if (how !== "hash") return bytes;
  const other = Uint8Array.from(bytes);
  other[0] = (other[0] ?? 0) ^ 1;
  return other;
}
