import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Training } from "./trainings.ts";

/** Records in which the agent compares the boot it is in with one it was in. */
const BOOT_RECORDS = [
  "boots.jsonl",
  "runner.json",
  "runner.pid",
  "guardian.pid",
  "supervisor.pid",
  "begun.json",
  "guard.json",
  "started.pid",
];

const runnerSchema = z.object({ startedAt: z.string(), bootId: z.string() });
const orderSchema = z.object({ runId: z.string(), attempt: z.number(), nonce: z.string() });
const exitSchema = z.object({ endedAt: z.string() });
const statusSchema = z.object({ resumedFrom: z.string().nullable() });

/** Attempts' folders of a machine. */
function attemptsIn(home: string): string[] {
  const list = (path: string): string[] => {
    try {
      return readdirSync(path);
    } catch {
      return [];
    }
  };
  return list(join(home, "runs")).flatMap((run) => list(join(home, "runs", run)).map((attempt) => join(home, "runs", run, attempt)));
}

/** Lets everything on the disk be of an earlier boot: the computer's own boot id stays, so it is replaced in the records. */
export function pretendReboot(home: string, boot: number): void {
  const earlier = `00000000-0000-4000-8000-${String(boot).padStart(12, "0")}`;
  for (const folder of attemptsIn(home)) {
    const current = read(folder, "runner.json", runnerSchema)?.bootId ?? bootOf(folder);
    if (current === undefined) continue;
    for (const name of BOOT_RECORDS) {
      const text = textOf(join(folder, name));
      if (text?.includes(current)) writeFileSync(join(folder, name), text.replaceAll(current, earlier));
    }
  }
}

function bootOf(folder: string): string | undefined {
  return textOf(join(folder, "guardian.pid"))?.split(" ")[2]?.trim();
}

/** Who trained on the machine of this disk. `endedAt`: the power went then, for those that wrote no end. */
export function trainingsIn(home: string, machineId: string, endedAt: number | undefined): Training[] {
  return attemptsIn(home).flatMap((folder) => {
    const order = read(folder, "attempt.json", orderSchema);
    const runner = read(folder, "runner.json", runnerSchema);
    if (order === undefined || runner === undefined) return [];
    const exit = read(folder, "exit.json", exitSchema);
    const to = exit === undefined ? endedAt : Date.parse(exit.endedAt);
    const steps = stepsOf(textOf(join(folder, "log")) ?? "");
    return [
      {
        runId: order.runId,
        attempt: order.attempt,
        nonce: order.nonce,
        machineId,
        from: Date.parse(runner.startedAt),
        ...(to === undefined ? {} : { to }),
        stepsFrom: steps.from,
        stepsTo: steps.to,
        resumedFrom: read(folder, "status.json", statusSchema)?.resumedFrom ?? null,
      },
    ];
  });
}

/** From what a job prints: "from step 3", and the last "step 7". */
function stepsOf(log: string): { from: number; to: number } {
  const from = Number(/\bfrom step[ =:]+(\d+)/.exec(log)?.[1] ?? 0);
  const last = [...log.matchAll(/\bstep[ =:]+(\d+)/g)].at(-1)?.[1];
  return { from, to: Math.max(from, Number(last ?? from)) };
}

function read<T>(folder: string, name: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.safeParse(JSON.parse(textOf(join(folder, name)) ?? "")).data;
  } catch {
    return undefined;
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
