import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  fileState,
  memoryState,
  type Run,
  Runctl,
  type RunctlOptions,
  type RunSpec,
  type StateStore,
  type TrainingProvider,
} from "@runctl/core";
import { type LocalOptions, type LocalProvider, local } from "@runctl/provider-local";
import { endAll, type Process, processesWhere, signalAll } from "./processes.ts";

export interface BedOptions {
  local?: LocalOptions;
  runctl?: Partial<RunctlOptions>;
  /** State in memory instead of files. */
  memory?: boolean;
  /** Puts something between runctl and the local provider. */
  wrap?: (provider: LocalProvider) => TrainingProvider;
}

/** A folder of its own with a project, a state and a home for machines, and one controller in this process. */
export class Bed {
  readonly dir: string;
  readonly provider: LocalProvider;
  readonly state: StateStore;
  readonly runctl: Runctl;
  readonly #options: BedOptions;
  readonly #opened: Array<{ close(): Promise<void> }> = [];

  constructor(dir: string, options: BedOptions) {
    this.dir = dir;
    this.#options = options;
    this.provider = local({ home: this.home, pricePerHour: 1, ...options.local });
    this.state = options.memory === true ? memoryState() : fileState(join(dir, "state"));
    this.runctl = this.#make(this.provider, this.state, {});
  }

  get home(): string {
    return join(this.dir, "home");
  }

  get root(): string {
    return join(this.dir, "project");
  }

  /** Another controller of the same state, as another process would be. Closed with the bed. */
  open(change: Partial<RunctlOptions> = {}): Runctl {
    const state = fileState(join(this.dir, "state"));
    const runctl = this.#make(local({ home: this.home, pricePerHour: 1, ...this.#options.local }), state, change);
    this.#opened.push({
      close: async () => {
        await runctl.close({ handOver: false });
        await state.close();
      },
    });
    return runctl;
  }

  #make(provider: LocalProvider, state: StateStore, change: Partial<RunctlOptions>): Runctl {
    const wrapped = this.#options.wrap?.(provider) ?? provider;
    const store = this.#options.memory === true ? { store: join(this.dir, "store") } : {};
    return new Runctl({ project: "test", user: "tester", providers: [wrapped], state, ...store, ...this.#options.runctl, ...change });
  }

  /** A Python script in the project, and a spec that trains it. */
  async script(lines: string[], change: RunSpec = {}, name = "train.py"): Promise<RunSpec> {
    await this.file(name, `${lines.join("\n")}\n`);
    return { script: join(this.root, name), root: this.root, dependencies: "none", ...change };
  }

  async file(name: string, data: string | Uint8Array): Promise<string> {
    const path = join(this.root, name);
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, data);
    return path;
  }

  /** Where the run's things are: checkpoints, outputs, logs. */
  storeOf(runId: string): string {
    return join(this.dir, this.#options.memory === true ? "store" : join("state", "store"), "runs", runId);
  }

  async machines(): Promise<string[]> {
    return readdir(join(this.home, "machines")).catch(() => []);
  }

  /** Live processes of this bed's machines. */
  processes(): Process[] {
    return processesWhere(
      (command, environment) => (environment.includes(this.home) || command.includes(this.home)) && !command.startsWith(process.execPath),
    );
  }

  /** kill(2) for each; one that ended meanwhile is passed over. */
  signal(processes: ReadonlyArray<{ pid: number }>, signal: NodeJS.Signals): void {
    signalAll(processes, signal);
  }

  /** Nothing of what was trained is left: no process, no machine. @throws naming what is. */
  async mustBeEmpty(): Promise<void> {
    await eventually(async () => {
      const [machines, processes] = [await this.machines(), this.processes()];
      if (machines.length + processes.length > 0) throw new Error(`left: ${JSON.stringify({ machines, processes })}`);
    });
  }

  async remove(): Promise<void> {
    for (const opened of this.#opened) await opened.close();
    await this.runctl.close({ handOver: false });
    await this.state.close?.();
    await endAll(() => this.processes());
    await rm(this.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** Runs a test on a bed of its own and takes it away again, whatever happens. */
export async function withBed(test: (bed: Bed) => Promise<void>, options: BedOptions = {}): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "runctl-accept-"));
  await mkdir(join(dir, "project"));
  const bed = new Bed(dir, options);
  try {
    await test(bed);
  } finally {
    await bed.remove();
  }
}

/** Tries again until `check` no longer throws; its last error otherwise. A bound, not a pause. */
export async function eventually<T>(check: () => Promise<T> | T, withinMs = 40_000): Promise<T> {
  const until = Date.now() + withinMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > until) throw error;
      await delay(25);
    }
  }
}

/** Resolves when the run printed the line. @throws when it ended without. */
export async function printed(run: Run, text: string): Promise<void> {
  for await (const line of run.logs()) if (line.source !== "setup" && line.text === text) return;
  throw new Error(`The run ended without printing ${JSON.stringify(text)}: ${JSON.stringify(await run.result())}`);
}

/** Everything the script printed, in order. */
export async function output(run: Run): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of run.logs()) if (line.source !== "setup") lines.push(line.gap === true ? "<gap>" : line.text);
  return lines;
}

/** Counts to STEPS (argv 1), pausing (argv 2) seconds a step, a checkpoint a step; goes on from RUNCTL_RESUME_FROM. */
export const COUNTING = [
  "import json, os, sys, time",
  "steps, pause = int(sys.argv[1]), float(sys.argv[2])",
  "start = os.environ['RUNCTL_RESUME_FROM']",
  "step = json.load(open(start))['step'] if start else 0",
  "print('from', step, flush=True)",
  "while step < steps:",
  "    time.sleep(pause); step += 1",
  "    path = os.path.join(os.environ['RUNCTL_CHECKPOINT_DIR'], 'step-%03d.json' % step)",
  "    json.dump({'step': step}, open(path + '.tmp', 'w')); os.rename(path + '.tmp', path)",
  "    print('step', step, flush=True)",
];

/** Prints "ready" and waits; on SIGTERM it saves "last.json" and ends with code 0. */
export const WAITING = [
  "import json, os, signal, sys, time",
  "def stop(*_):",
  "    path = os.path.join(os.environ['RUNCTL_CHECKPOINT_DIR'], 'last.json')",
  "    json.dump({'step': 7}, open(path + '.tmp', 'w')); os.rename(path + '.tmp', path); sys.exit(0)",
  "signal.signal(signal.SIGTERM, stop)",
  "r = os.environ['RUNCTL_RESUME_FROM']",
  "print('resumed ' + os.path.basename(r) if r else 'ready', flush=True)",
  "time.sleep(0 if r else 600)",
];
