import type { BilledInterval } from "@runctl/core/provider";
import type { BillingRules } from "./billing-rules.ts";
import type { CloudMachine, PoweredStretch } from "./cloud-machine.ts";
import { iso } from "./cloud-time.ts";

const HOUR_MS = 3_600_000;
const MONTH_HOURS = 730;

/** A charge in the cloud's books: so much an hour from then until then. */
export interface Charge {
  what: BilledInterval["what"];
  from: number;
  to: number;
  perHour: number;
}

/** What a machine has cost until `now`, from the cloud's own meters. A minimum or a rounding may lie in the future. */
export function chargesOf(machine: CloudMachine, rules: BillingRules, now: number): Charge[] {
  const charges: Charge[] = [];
  for (const stretch of machine.stretches) charges.push(...computeCharges(machine, stretch, rules, now));
  charges.push(...stoppedCharges(machine, now));
  charges.push(...diskCharges(machine, rules, now));
  // An amount without a duration: one hour at the price of all the traffic.
  if (machine.egressGb > 0)
    charges.push({
      what: "transfer",
      from: machine.createdAt,
      to: machine.createdAt + HOUR_MS,
      perHour: machine.egressGb * rules.egressPerGb,
    });
  return charges;
}

function computeCharges(machine: CloudMachine, stretch: PoweredStretch, rules: BillingRules, now: number): Charge[] {
  const before = Math.min(stretch.from, stretch.to ?? now);
  // A cloud that charges nothing for a while says so: silence would be no answer.
  const free: Charge[] = before > stretch.on ? [{ what: "compute", from: stretch.on, to: before, perHour: 0 }] : [];
  if (stretch.from > (stretch.to ?? now)) return free;
  return [...free, ...runningCharges(machine, stretch, rules, now)];
}

/** Between two stretches nothing is charged for computing, and the books say so: who watched from outside may not have seen the stop. */
function stoppedCharges(machine: CloudMachine, now: number): Charge[] {
  return machine.stretches.flatMap(({ to }, index): Charge[] => {
    const next = machine.stretches[index + 1]?.on ?? machine.endedAt ?? now;
    return to !== undefined && next > to ? [{ what: "compute", from: to, to: next, perHour: 0 }] : [];
  });
}

function runningCharges(machine: CloudMachine, stretch: PoweredStretch, rules: BillingRules, now: number): Charge[] {
  const end = billedEnd(stretch, rules, now);
  if (isFree(stretch, rules)) return [{ what: "compute", from: stretch.from, to: end, perHour: 0 }];
  if (machine.pool.market !== "spot" || rules.spotPrice === "locked")
    return [{ what: "compute", from: stretch.from, to: end, perHour: machine.price }];
  return [...machine.pool.price.segments(stretch.from, end)].map(({ from, to, value }) => ({ what: "compute", from, to, perHour: value }));
}

/** Rounded up to the granularity, at least the minimum. */
function billedEnd(stretch: PoweredStretch, rules: BillingRules, now: number): number {
  const { granularitySeconds, minimumSeconds } = rules;
  const lasted = Math.max(0, Math.min(stretch.to ?? now, now) - stretch.from);
  // While it runs nothing is rounded: what is not over has no last second yet.
  const step = stretch.to === undefined ? 0 : granularitySeconds * 1000;
  const rounded = step === 0 ? lasted : Math.ceil(lasted / step) * step;
  return stretch.from + Math.max(rounded, minimumSeconds * 1000);
}

function isFree(stretch: PoweredStretch, rules: BillingRules): boolean {
  return rules.firstHourFreeOnReclaim && stretch.reclaimed === true && (stretch.to ?? 0) - stretch.from < HOUR_MS;
}

function diskCharges(machine: CloudMachine, rules: BillingRules, now: number): Charge[] {
  const on = (rules.diskPerGibMonth / MONTH_HOURS) * machine.diskGib;
  const off = ((rules.stoppedDiskPerGibMonth ?? rules.diskPerGibMonth) / MONTH_HOURS) * machine.diskGib;
  if (on === 0 && off === 0) return [];
  const end = Math.min(machine.endedAt ?? now, now);
  const charges: Charge[] = [];
  const add = (from: number, to: number, perHour: number): void => {
    if (to > from && perHour > 0) charges.push({ what: "storage", from, to, perHour });
  };
  let from = machine.createdAt;
  for (const stretch of machine.stretches) {
    const begun = Math.min(Math.max(stretch.on, from), end);
    add(from, begun, off);
    const over = Math.min(stretch.to ?? end, end);
    add(begun, over, on);
    from = Math.max(from, over);
  }
  add(from, end, off);
  return charges;
}

/** The charges that touch [from, to), as the provider tells them. */
export function asIntervals(charges: readonly Charge[], rules: BillingRules, from: number, to: number): BilledInterval[] {
  return charges
    .filter((charge) => charge.to > from && charge.from < to)
    .map((charge) => ({
      from: iso(charge.from),
      to: iso(charge.to),
      what: charge.what,
      pricePerHour: { amount: charge.perHour, currency: rules.currency },
      evidence: "billed",
    }));
}
