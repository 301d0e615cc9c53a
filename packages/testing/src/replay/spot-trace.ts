import { readFile } from "node:fs/promises";
import { ValidationError } from "@runctl/core";
import { z } from "zod";

/** Availability of spot machines over time, in ticks of equal length, and prices where they are known. */
export interface SpotTrace {
  /** Milliseconds of one tick; tick i covers [i·gap, (i+1)·gap). */
  gapMs: number;
  /** True: spot machines were to be had, and those that ran were left alone. */
  available: boolean[];
  /** USD per hour, one for each tick. */
  prices?: number[] | undefined;
  /** USD per hour where the trace names one constant price. */
  spotPrice?: number | undefined;
  onDemandPrice?: number | undefined;
}

const traceSchema = z.lazy(() =>
  z.object({
    metadata: z.object({
      gap_seconds: z.number().positive(),
      spot_price_usd_h: z.number().nonnegative().optional(),
      on_demand_price_usd_h: z.number().nonnegative().optional(),
    }),
    data: z.array(z.union([z.literal(0), z.literal(1)])).min(1),
    prices: z.array(z.number().nonnegative()).optional(),
  }),
);

/**
 * Reads a trace file: `{"metadata": {"gap_seconds": N}, "data": [1, 0, …], "prices": […]?}`, 1 = spot available. Files of other
 * projects use the opposite meaning; nothing in a file tells which, so it is the caller's to know.
 * @throws ValidationError naming the file and what is wrong with it.
 */
export async function readSpotTrace(path: string): Promise<SpotTrace> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw notATrace(path, error.code === "ENOENT" ? "There is no such file." : error.message);
  });
  return parseSpotTrace(text, path);
}

/** As `readSpotTrace`, of text. `name` is for messages. */
export function parseSpotTrace(text: string, name = "the trace"): SpotTrace {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw notATrace(name, `It is not JSON: ${(error as Error).message}`);
  }
  const parsed = traceSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw notATrace(name, `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
  }
  const { metadata, data, prices } = parsed.data;
  if (prices !== undefined && prices.length !== data.length)
    throw notATrace(name, `It has ${data.length} ticks and ${prices.length} prices.`);
  return {
    gapMs: metadata.gap_seconds * 1000,
    available: data.map((tick) => tick === 1),
    ...(prices === undefined ? {} : { prices }),
    ...(metadata.spot_price_usd_h === undefined ? {} : { spotPrice: metadata.spot_price_usd_h }),
    ...(metadata.on_demand_price_usd_h === undefined ? {} : { onDemandPrice: metadata.on_demand_price_usd_h }),
  };
}

/** A stretch of equal availability, in milliseconds from the trace's chosen begin. */
export interface Stretch {
  fromMs: number;
  toMs: number;
  available: boolean;
}

/** A trace as stretches, from `startMs` of the trace on: neighbours differ, the first begins at 0. */
export function stretchesOf(trace: SpotTrace, startMs = 0): Stretch[] {
  const stretches: Stretch[] = [];
  trace.available.forEach((available, tick) => {
    const fromMs = Math.max(0, tick * trace.gapMs - startMs);
    const toMs = (tick + 1) * trace.gapMs - startMs;
    if (toMs <= 0) return;
    const last = stretches.at(-1);
    if (last !== undefined && last.available === available) last.toMs = toMs;
    else stretches.push({ fromMs, toMs, available });
  });
  return stretches;
}

/** Price steps of a trace from `startMs` on: [milliseconds, USD per hour], the first at 0, only changes. */
export function priceStepsOf(trace: SpotTrace, startMs = 0): Array<[number, number]> {
  if (trace.prices === undefined) return trace.spotPrice === undefined ? [] : [[0, trace.spotPrice]];
  const steps: Array<[number, number]> = [];
  trace.prices.forEach((price, tick) => {
    if ((tick + 1) * trace.gapMs <= startMs || steps.at(-1)?.[1] === price) return;
    steps.push([Math.max(0, tick * trace.gapMs - startMs), price]);
  });
  return steps;
}

/**
 * Reads price changes in the form `zone,tick,price_usd_h`: a price holds until that zone's next row. Returns one price a tick.
 * @throws ValidationError when the zone is not in it, or a row cannot be read.
 */
export function parseSpotPrices(text: string, zone: string, ticks: number): number[] {
  const rows: Array<{ tick: number; price: number }> = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line === "" || index === 0) continue;
    const [name, tick, price, ...rest] = line.split(",");
    const row = { tick: Number(tick), price: Number(price) };
    const good = rest.length === 0 && price !== undefined && Number.isInteger(row.tick) && Number.isFinite(row.price) && row.price >= 0;
    if (!good) throw notATrace("the prices", `Line ${index + 1} is not zone,tick,price: ${JSON.stringify(line.slice(0, 80))}.`);
    if (name === zone) rows.push(row);
  }
  const [first] = rows;
  if (first === undefined) throw notATrace("the prices", `They have no zone ${JSON.stringify(zone)}.`);
  const prices: number[] = [];
  let at = 0;
  for (let tick = 0; tick < ticks; tick++) {
    while (at + 1 < rows.length && (rows[at + 1]?.tick ?? Number.POSITIVE_INFINITY) <= tick) at += 1;
    prices.push(rows[at]?.price ?? first.price);
  }
  return prices;
}

function notATrace(name: string, why: string): ValidationError {
  return new ValidationError({
    what: `${name} cannot be read as a spot trace.`,
    why,
    fix: ['A trace is {"metadata": {"gap_seconds": N}, "data": [1, 0, …]}, 1 = spot available.'],
  });
}
