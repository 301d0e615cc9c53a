import { mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What the simulated runs train: never executed, only staged. */
const SCRIPT = "# Stands for a training script: a model of it runs in its place.\nprint('trained')\n";
/** Long ago, so that no clock takes it for a file that is being written. */
const LONG_AGO = 1_577_836_800;

let users = 0;
let scratches = 0;

/** The place of a world on the real disk. */
export interface WorldFolder {
  /** The project's root. */
  readonly root: string;
  /** A folder of its own for what a process keeps on its disk for a while: it may die before it tidies. Made when it is first written to. */
  scratch(): string;
  /** Gives the place up. Repeating is fine. */
  release(): void;
}

/**
 * A tiny project on the real disk, since `train()` reads one. The worlds of a process share it, under a path that depends on the
 * process only: the path is in every run's log, and two worlds with one seed must have the same. Gone with the last `release`.
 */
export function acquireFolder(): WorldFolder {
  const base = join(tmpdir(), `runctl-world-${process.pid}`);
  const root = join(base, "project");
  if (users === 0) {
    // What a killed process with the same id left.
    rmSync(base, { recursive: true, force: true });
    mkdirSync(root, { mode: 0o700, recursive: true });
    writeFileSync(join(root, "train.py"), SCRIPT);
    utimesSync(join(root, "train.py"), LONG_AGO, LONG_AGO);
  }
  users += 1;
  let isReleased = false;
  return {
    root,
    scratch() {
      scratches += 1;
      return join(base, "scratch", String(scratches));
    },
    release() {
      if (isReleased) return;
      isReleased = true;
      users -= 1;
      if (users === 0) rmSync(base, { recursive: true, force: true });
    },
  };
}
