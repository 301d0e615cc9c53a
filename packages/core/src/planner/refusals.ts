import type { Notice } from "../provider/plan.ts";

/** Refusals that `allow` turns into warnings: the user may know better. The others cannot be gone on from. */
export const OVERRIDABLE_REFUSALS = ["spot-costs-more", "budget-unpriced", "budget-too-small"] as const;

/** A notice whose last fix says how to go on in spite of it, where that is possible. */
export function refusal(id: string, what: string, why: string, fix: string[]): Notice {
  const overridable = (OVERRIDABLE_REFUSALS as readonly string[]).includes(id);
  return { id, what, why, fix: overridable ? [...fix, `To go on nevertheless: allow: ["${id}"].`] : fix };
}

/** Sorts refusals into those that stand and those that the spec allows, which become warnings. */
export function applyAllowed(refusals: readonly Notice[], allow: readonly string[]): { refusals: Notice[]; allowed: Notice[] } {
  const isAllowed = ({ id }: Notice): boolean => allow.includes(id) && (OVERRIDABLE_REFUSALS as readonly string[]).includes(id);
  return { refusals: refusals.filter((notice) => !isAllowed(notice)), allowed: refusals.filter(isAllowed) };
}
