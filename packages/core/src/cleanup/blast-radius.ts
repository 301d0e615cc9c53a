import { fromMicros, toMicros } from "../cost/money.ts";
import type { Money } from "../provider/money.ts";
import type { Notice } from "../provider/plan.ts";
import type { ResolvedRules } from "./cleanup-rules.ts";

/** A share means something only above this many things: the last of two is half. */
const SHARE_FROM = 4;

/**
 * (e): every cap that deleting these things would break; one is enough to refuse all of them. Pure. A deletion that was begun by an
 * earlier plan was held against that plan's caps: finishing it counts no more, or a half-done plan could never be finished.
 */
export function blastRadius(
  planned: ReadonlyArray<{ pricePerHour?: Money | undefined; action?: string | undefined }>,
  ownTotal: number,
  rules: ResolvedRules,
): Notice[] {
  const items = planned.filter((item) => item.action !== "finish");
  const breaches: Notice[] = [];
  const breach = (id: string, what: string, option: string): void => {
    breaches.push({
      id,
      what,
      why: "Many deletions at once are more often a mistake than a wish.",
      fix: [`Look at the plan; if it is right, raise ${option} in plan().`],
    });
  };
  if (items.length > rules.maxCount) breach("too-many", `${items.length} deletions are more than ${rules.maxCount}.`, "maxCount");
  if (ownTotal > SHARE_FROM && items.length / ownTotal > rules.maxShare) {
    breach("too-large-a-share", `${items.length} of ${ownTotal} things are more than ${Math.round(rules.maxShare * 100)} %.`, "maxShare");
  }
  if (rules.maxHourlyValue !== false && items.length > 0) {
    const unpriced = items.filter((item) => item.pricePerHour === undefined || item.pricePerHour.currency !== "USD");
    const value = fromMicros(
      items.reduce((sum, item) => sum + (item.pricePerHour?.currency === "USD" ? toMicros(item.pricePerHour.amount) : 0), 0),
    ).amount;
    if (value > rules.maxHourlyValue)
      breach("too-valuable", `They burn $${value} per hour, more than $${rules.maxHourlyValue}.`, "maxHourlyValue");
    if (unpriced.length > 0)
      breach(
        "value-unknown",
        `${unpriced.length} of them have no known price in USD, so their value cannot be held against $${rules.maxHourlyValue} per hour.`,
        "maxHourlyValue (false: no cap)",
      );
  }
  return breaches;
}
