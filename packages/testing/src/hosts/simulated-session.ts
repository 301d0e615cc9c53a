import { type ExecResult, NotFoundError, UnsupportedCapabilityError, ValidationError } from "@runctl/core/provider";
import {
  type AttemptFile,
  type AttemptSecrets,
  type ControlCommand,
  HOST_CLIENT,
  type HostClient,
  type HostObservation,
  type ModelledHostSession,
} from "@runctl/core/seams";
import type { Power } from "./power.ts";
import type { SimulatedHost } from "./simulated-host.ts";

const OPERATIONS: readonly string[] = ["stop", "cancel", "allowance", "end-policy"];
const NOBODY = { guardian: false, supervisor: false, runner: false };

/** A further option of the model's `start`: called when the attempt's file is on the machine and its guardian is not armed; a process can die there. */
export interface StartInSteps {
  signal?: AbortSignal | undefined;
  betweenSteps?: (() => Promise<void>) | undefined;
}

/** A connection to a simulated host: it lasts as long as the boot that it was made in. It has no shell; files are kept as written. */
export class SimulatedSession implements ModelledHostSession {
  readonly home: string;
  readonly [HOST_CLIENT]: HostClient;
  readonly #host: SimulatedHost;
  readonly #power: Power;
  readonly #watches = new Set<() => void>();
  #isClosed = false;

  constructor(host: SimulatedHost, power: Power) {
    this.#host = host;
    this.#power = power;
    this.home = host.home;
    this[HOST_CLIENT] = {
      start: (_session, file, secrets, options) => this.#start(file, secrets, options),
      observe: (_session, runId, attempt, options) => this.#observe(runId, attempt, options?.eventsOffset ?? 0),
      control: (_session, runId, attempt, command) => this.#control(runId, attempt, command),
      readLog: (_session, runId, attempt, which, offset, maxBytes) => this.#readLog(runId, attempt, which, offset, maxBytes),
      attemptDir: (_session, runId, attempt) => this.#dir(runId, attempt),
    };
  }

  async exec(argv: [string, ...string[]]): Promise<ExecResult> {
    this.#mustAnswer("exec");
    this.#host.refuse("exec", `a model cannot run ${argv[0]}`);
    throw new UnsupportedCapabilityError({ what: `A simulated host runs no commands, and was told to run ${JSON.stringify(argv[0])}.` });
  }

  async write(path: string, data: string | Uint8Array): Promise<void> {
    this.#mustAnswer("write");
    this.#host.files.set(path, typeof data === "string" ? Buffer.from(data) : Uint8Array.from(data));
  }

  async upload(localPath: string): Promise<void> {
    this.#mustAnswer("upload");
    throw new UnsupportedCapabilityError({ what: `A simulated host takes no files of this computer (${localPath}).` });
  }

  async download(hostPath: string): Promise<void> {
    this.#mustAnswer("download");
    throw new UnsupportedCapabilityError({ what: `A simulated host gives no files to this computer (${hostPath}).` });
  }

  async read(path: string, offset: number, maxBytes = 1 << 20): Promise<Uint8Array | undefined> {
    this.#mustAnswer("read");
    return this.#host.files.get(path)?.slice(offset, offset + maxBytes);
  }

  /** Calls back whenever anything of the attempt changes, and when the machine is gone: there is no need to poll. */
  watch(path: string, onChange: () => void): () => void {
    const found = /\/runs\/([^/]+)\/([0-9]+)\/?$/.exec(path);
    if (found === null) return () => undefined;
    const stop = this.#host.watch(found[1] ?? "", Number(found[2]), onChange);
    this.#watches.add(stop);
    return () => {
      this.#watches.delete(stop);
      stop();
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const stop of this.#watches) stop();
    this.#watches.clear();
  }

  #mustAnswer(op: string): void {
    if (this.#isClosed) {
      this.#host.refuse(op, "its session was closed");
      throw new ValidationError({ what: "This session was closed." });
    }
    this.#host.mustAnswer(this.#power);
  }

  #dir(runId: string, attempt: number): string {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(runId) || !Number.isSafeInteger(attempt) || attempt < 0) {
      throw new ValidationError({ what: `run ${JSON.stringify(runId)}, attempt ${attempt} cannot be a folder name` });
    }
    return `${this.home}/runs/${runId}/${attempt}`;
  }

  async #start(file: AttemptFile, secrets: AttemptSecrets, options: StartInSteps | undefined): Promise<void> {
    this.#dir(file.runId, file.attempt);
    this.#mustAnswer("start");
    this.#host.place(file);
    await options?.betweenSteps?.();
    this.#mustAnswer("start");
    this.#host.arm(file, secrets);
  }

  async #observe(runId: string, attempt: number, eventsOffset: number): Promise<HostObservation> {
    this.#dir(runId, attempt);
    this.#mustAnswer("observe");
    const found = this.#host.find(runId, attempt);
    return found === undefined ? { exists: false, alive: NOBODY, events: [], eventsOffset } : found.observe(eventsOffset);
  }

  async #control(runId: string, attempt: number, command: ControlCommand): Promise<void> {
    this.#dir(runId, attempt);
    this.#mustAnswer("control");
    const found = this.#host.find(runId, attempt);
    if (found === undefined) {
      throw new NotFoundError({ what: `Attempt ${attempt} of run ${runId} was never started on this host.`, context: { runId, attempt } });
    }
    if (!OPERATIONS.includes(command.op)) this.#host.refuse("control", `there is no command ${JSON.stringify(command.op)}`);
    found.control(JSON.parse(JSON.stringify(command)) as Record<string, unknown>);
  }

  async #readLog(
    runId: string,
    attempt: number,
    which: "log" | "setup.log" | "metrics.jsonl",
    offset: number,
    maxBytes = 1 << 20,
  ): Promise<Uint8Array | undefined> {
    this.#mustAnswer("readLog");
    const disk = this.#host.find(runId, attempt)?.disk;
    const log = which === "log" ? disk?.log : which === "setup.log" ? disk?.setupLog : undefined;
    return log === undefined || log.size === 0 ? undefined : log.read(offset, maxBytes);
  }
}
