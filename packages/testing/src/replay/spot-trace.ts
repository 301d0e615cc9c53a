import { readFile } from "node:fs/promises";
import { ValidationError } from "@runctl/core";
import { z } from "zod";
import { parseTrace, type Trace } from "../cloud/trace.ts";

/** A trace with the constant prices its file may name, USD per hour. */
export interface PricedTrace extends Trace {
  spotPrice?: number | undefined;
  onDemandPrice?: number | undefined;
}

const constants = z.looseObject({
  metadata: z.looseObject({
    spot_price_usd_h: z.number().nonnegative().optional(),
    on_demand_price_usd_h: z.number().nonnegative().optional(),
  }),
});

/** Reads a trace file. @throws ValidationError naming the file and what is wrong with it. */
export async function readTraceFile(path: string): Promise<PricedTrace> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw unreadable(path, error.code === "ENOENT" ? "There is no such file." : error.message, error);
  });
  let trace: Trace;
  try {
    trace = parseTrace(text);
  } catch (error) {
    throw unreadable(path, (error as ValidationError).why ?? String(error), error);
  }
  const named = constants.safeParse(JSON.parse(text));
  const { spot_price_usd_h: spotPrice, on_demand_price_usd_h: onDemandPrice } = named.success ? named.data.metadata : {};
  return { ...trace, ...(spotPrice === undefined ? {} : { spotPrice }), ...(onDemandPrice === undefined ? {} : { onDemandPrice }) };
}

function unreadable(path: string, why: string, cause: unknown): ValidationError {
  return new ValidationError({
    what: `${path} cannot be read as a spot trace.`,
    why,
    fix: ['A trace is {"metadata": {"gap_seconds": N}, "data": [1, 0, …]}, 1 = spot available.'],
    cause,
  });
}
