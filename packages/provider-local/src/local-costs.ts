import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { BilledInterval, Clock, Machine } from "@runctl/core/provider";
import { readMachine } from "./machine-record.ts";

/** The file to which `stop` and `start` append a line each. */
export const HISTORY = "history.log";

/**
 * The stretches between `from` and `to` in which the machine existed and was not stopped, at the price that was declared when it
 * was created. A machine that is gone is told by what the caller knows of it: nothing is made up beyond its `endedAt`.
 */
export async function localCosts(dir: string, machine: Machine, from: string, to: string, clock: Clock): Promise<BilledInterval[]> {
  const files = readMachine(dir);
  const record = typeof files === "string" ? undefined : files.record;
  const price = record?.pricePerHour ?? machine.pricePerHour;
  const created = record?.createdAt ?? machine.createdAt;
  if (price === undefined || created === undefined) return [];
  const ended = machine.endedAt ?? (typeof files === "string" ? undefined : files.ended?.at);
  const begin = Math.max(Date.parse(from), Date.parse(created));
  const end = Math.min(Date.parse(to), ended === undefined ? clock.now() : Date.parse(ended));
  return running(Date.parse(created), await readHistory(dir), end)
    .map(([start, stop]): [number, number] => [Math.max(start, begin), Math.min(stop, end)])
    .filter(([start, stop]) => stop > start)
    .map(([start, stop]) => ({
      from: new Date(start).toISOString(),
      to: new Date(stop).toISOString(),
      what: "compute",
      pricePerHour: price,
      evidence: record === undefined ? "inferred" : "observed",
    }));
}

interface Turn {
  at: number;
  what: "stopped" | "started";
}

function running(created: number, history: Turn[], end: number): Array<[number, number]> {
  const stretches: Array<[number, number]> = [];
  let since: number | undefined = created;
  for (const { at, what } of history) {
    if (what === "stopped" && since !== undefined) {
      stretches.push([since, at]);
      since = undefined;
    } else if (what === "started") since ??= at;
  }
  if (since !== undefined) stretches.push([since, end]);
  return stretches;
}

async function readHistory(dir: string): Promise<Turn[]> {
  const text = await readFile(join(dir, HISTORY), "utf8").catch(() => "");
  return text.split("\n").flatMap((line): Turn[] => {
    const [what, at] = line.split(" ");
    const time = Date.parse(at ?? "");
    return (what === "stopped" || what === "started") && Number.isFinite(time) ? [{ at: time, what }] : [];
  });
}
