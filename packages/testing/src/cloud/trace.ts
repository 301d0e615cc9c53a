import { ValidationError } from "@runctl/core/provider";
import { z } from "zod";

/**
 * A recorded market: tick i covers `[i*gap, (i+1)*gap)` seconds; 1 (or a count) = spot available, 0 = not. The format of the traces
 * of "Can't Be Late" and SkyNomad. Copies elsewhere use the opposite polarity: turn them before.
 */
export interface Trace {
  gapSeconds: number;
  /** Machines (or 1) available in each tick. */
  data: readonly number[];
  /** Price per hour in each tick, where the trace has one. */
  prices?: readonly number[] | undefined;
}

const schema = z.looseObject({
  metadata: z.looseObject({ gap_seconds: z.number().positive() }),
  data: z.array(z.number().int().nonnegative()).min(1),
  prices: z.array(z.number().nonnegative()).optional(),
});

/**
 * Reads a trace from its JSON text (or the value parsed from it).
 * @throws ValidationError when it is no trace, or its prices are not as many as its ticks.
 */
export function parseTrace(input: unknown): Trace {
  let value = input;
  if (typeof input === "string") {
    try {
      value = JSON.parse(input);
    } catch (cause) {
      throw bad("It is not JSON.", cause);
    }
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw bad(z.prettifyError(parsed.error));
  const { metadata, data, prices } = parsed.data;
  if (prices !== undefined && prices.length !== data.length) throw bad(`prices has ${prices.length} entries, data ${data.length}.`);
  return { gapSeconds: metadata.gap_seconds, data, prices };
}

/** A price that holds from a tick on. */
export interface PriceChange {
  tick: number;
  price: number;
}

/**
 * Reads run-length encoded prices, `zone,tick,price_usd_h`: a price holds until that zone's next row. By zone.
 * @throws ValidationError naming the line that cannot be read.
 */
export function parsePriceChanges(csv: string): Map<string, PriceChange[]> {
  const zones = new Map<string, PriceChange[]>();
  for (const [index, line] of csv.split(/\r?\n/).entries()) {
    if (index === 0 || line.trim() === "") continue;
    const [zone = "", tick = "", price = ""] = line.split(",");
    const change = { tick: Number(tick), price: Number(price) };
    const known = zones.get(zone) ?? [];
    if (zone === "" || tick === "" || price === "" || !Number.isInteger(change.tick) || !(change.price >= 0))
      throw bad(`Line ${index + 1} is not "zone,tick,price".`);
    if (change.tick <= (known.at(-1)?.tick ?? -1)) throw bad(`Line ${index + 1}: the ticks of ${zone} do not grow.`);
    known.push(change);
    zones.set(zone, known);
  }
  return zones;
}

function bad(why: string, cause?: unknown): ValidationError {
  return new ValidationError({
    what: "This is not a spot trace.",
    why,
    fix: ['For example {"metadata":{"gap_seconds":600},"data":[1,1,0],"prices":[0.5,0.6,0.6]}.'],
    cause,
  });
}
