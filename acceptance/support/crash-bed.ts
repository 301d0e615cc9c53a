import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RunResult, RunSpec } from "@runctl/core";
import { build } from "esbuild";
import { afterAll } from "vitest";
import { endAll, processesWhere } from "./processes.ts";

const CONTROLLER = fileURLToPath(new URL("./controller.ts", import.meta.url));
const SCRIPT = fileURLToPath(new URL("./crash-train.py", import.meta.url));

let bundled: Promise<string> | undefined;
let bundleFolder: string | undefined;
afterAll(() => {
  if (bundleFolder !== undefined) rmSync(bundleFolder, { recursive: true, force: true });
});

/** One file that starts in a tenth of the time that the sources take: there are hundreds of starts. */
async function bundle(): Promise<string> {
  bundleFolder = mkdtempSync(join(tmpdir(), "runctl-bundle-"));
  const outfile = join(bundleFolder, "controller.mjs");
  await build({
    entryPoints: [CONTROLLER],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    conditions: ["@runctl/source"],
  });
  return outfile;
}

/** Works through the moments 0 … count - 1, `width` of them at a time, each on a bed of its own: most of it is waiting for processes. */
export async function moments(count: number, width: number, each: (moment: number) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      const mine = next;
      next += 1;
      await each(mine);
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: width }, work));
  const failed = ended.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
  if (failed.length > 0) throw failed.length === 1 ? failed[0] : new AggregateError(failed, failed.map(String).join("\n"));
}

/** A folder of its own with a project, a state and a home for machines; controlling processes are real and can be killed. */
export class CrashBed {
  readonly dir: string;
  readonly #bundle: string;

  private constructor(dir: string, bundle: string) {
    this.dir = dir;
    this.#bundle = bundle;
  }

  static async make(): Promise<CrashBed> {
    bundled ??= bundle();
    const bed = new CrashBed(await mkdtemp(join(tmpdir(), "runctl-crash-")), await bundled);
    await mkdir(join(bed.dir, "project"));
    await copyFile(SCRIPT, join(bed.dir, "project", "train.py"));
    return bed;
  }

  spec(steps: number, pauseSeconds: number, change: Partial<RunSpec> = {}): RunSpec {
    return {
      key: "crash",
      script: join(this.dir, "project", "train.py"),
      root: join(this.dir, "project"),
      args: [String(steps), String(pauseSeconds), join(this.dir, "proof")],
      retries: { failures: 3 },
      checkpoints: { keep: { last: 1000 } },
      ...change,
    };
  }

  /** Starts a controlling process; `lines` grows as it prints. */
  start(
    mode: "train" | "drive" | "attach",
    spec: RunSpec,
  ): { child: ChildProcess; lines: string[]; ended: Promise<number | null>; said(word: string): Promise<string> } {
    const child = spawn(process.execPath, [this.#bundle, this.dir, mode, JSON.stringify(spec)], {
      stdio: ["ignore", "pipe", "pipe"],
      cwd: fileURLToPath(new URL("..", import.meta.url)),
    });
    const lines: string[] = [];
    const waiting = new Set<() => void>();
    let rest = "";
    let isClosed = false;
    const take = (chunk: Buffer): void => {
      const parts = (rest + chunk.toString()).split("\n");
      rest = parts.pop() ?? "";
      lines.push(...parts);
      for (const wake of waiting) wake();
    };
    child.stdout?.on("data", take);
    child.stderr?.on("data", take);
    const ended = new Promise<number | null>((resolve) => {
      child.once("close", (code) => {
        isClosed = true;
        resolve(code);
        for (const wake of waiting) wake();
      });
    });
    const said = (word: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const line = lines.find((each) => each.startsWith(word));
          if (line !== undefined) resolve(line);
          else if (isClosed) reject(new Error(`The controller ended without "${word}":\n${lines.join("\n")}`));
          else return;
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      });
    return { child, lines, ended, said };
  }

  async finish(mode: "train" | "drive" | "attach", spec: RunSpec): Promise<RunResult> {
    const controller = this.start(mode, spec);
    const line = await controller.said("result ");
    await controller.ended;
    return JSON.parse(line.slice("result ".length)) as RunResult;
  }

  /** Everything that must hold whatever was killed. */
  async audit(result: RunResult, steps: number): Promise<void> {
    const problems: string[] = [];
    if (result.status !== "succeeded")
      problems.push(`status ${result.status}: ${JSON.stringify(result.error)} ${result.logTail.join(" | ")}`);
    if (existsSync(join(this.dir, "proof.twice")))
      problems.push(`trained twice at once: ${readFileSync(join(this.dir, "proof.twice"), "utf8")}`);
    const store = join(this.dir, "state", "store", "runs", result.runId);
    const total = JSON.parse(readFileSync(join(store, "outputs", "total.json"), "utf8")) as { total: number };
    if (total.total !== (steps * (steps + 1)) / 2) problems.push(`wrong result ${total.total}`);
    for (const checkpoint of result.checkpoints) {
      const file = join(new URL(checkpoint.location).pathname, checkpoint.path);
      if (!existsSync(file)) problems.push(`checkpoint lost: ${file}`);
    }
    const orphans = processesWhere((_command, environment) => environment.includes(`RUNCTL_RUN_ID=${result.runId}\0`));
    if (orphans.length > 0) problems.push(`orphans: ${JSON.stringify(orphans)}`);
    const machines = await readdir(join(this.dir, "home", "machines"));
    if (machines.length > 0) problems.push(`machines left: ${machines.join(", ")}`);
    if (problems.length > 0) throw new Error(problems.join("\n"));
  }

  async remove(): Promise<void> {
    await endAll(() => processesWhere((command, environment) => command.includes(this.dir) || environment.includes(this.dir)));
    await rm(this.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** A small generator, so that a failing moment can be repeated by its seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
