import type { BilledInterval } from "@runctl/core/provider";
import type { Charge } from "./billing.ts";

const HOUR_MS = 3_600_000;

/** What one machine or volume costs. */
export interface InvoiceLine {
  id: string;
  kind: "machine" | "volume" | "snapshot";
  account: string;
  /** Our tags on it, for sums by run. */
  tags: Readonly<Record<string, string>>;
  charges: readonly Charge[];
  compute: number;
  storage: number;
  transfer: number;
  total: number;
}

/** The bill of one account or of all, in one currency. Amounts are exact sums of the lines. */
export interface Invoice {
  currency: string;
  /** Milliseconds of the cloud's clock at which it was drawn up. */
  at: number;
  lines: readonly InvoiceLine[];
  compute: number;
  storage: number;
  transfer: number;
  total: number;
}

/** The sums of one thing's charges. */
export function invoiceLine(thing: Pick<InvoiceLine, "id" | "kind" | "account" | "tags">, charges: readonly Charge[]): InvoiceLine {
  const sum = (what: BilledInterval["what"]): number =>
    charges.filter((charge) => charge.what === what).reduce((total, charge) => total + amount(charge), 0);
  const parts = { compute: sum("compute"), storage: sum("storage"), transfer: sum("transfer") };
  return { ...thing, charges, ...parts, total: parts.compute + parts.storage + parts.transfer };
}

/** Adds lines up. */
export function drawUp(lines: readonly InvoiceLine[], currency: string, at: number): Invoice {
  const sum = (part: "compute" | "storage" | "transfer" | "total"): number => lines.reduce((total, line) => total + line[part], 0);
  return { currency, at, lines, compute: sum("compute"), storage: sum("storage"), transfer: sum("transfer"), total: sum("total") };
}

function amount(charge: Charge): number {
  return ((charge.to - charge.from) / HOUR_MS) * charge.perHour;
}
