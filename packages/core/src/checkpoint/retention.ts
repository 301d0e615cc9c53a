/** Which checkpoints stay: the newest `last` (default 10), one each `everyMs`, and the best by a metric. A checkpoint stays if any rule keeps it. */
export interface KeepRules {
  last?: number | undefined;
  everyMs?: number | undefined;
  best?: { metric: string; mode: "min" | "max" } | undefined;
}

/** What retention looks at. */
export interface RetentionItem {
  id: string;
  /** When it was saved, ms. */
  at: number;
  /** Proven whole by its format. */
  verified: boolean;
  /** Saved whole as far as anybody can tell. Others are not counted and not touched. */
  good: boolean;
  metrics?: Record<string, number> | undefined;
}

/** What stays and why, and what may go. */
export interface RetentionPlan {
  keep: Map<string, string[]>;
  remove: string[];
}

const DEFAULT_LAST = 10;

/**
 * Splits checkpoints, given newest first, into those that stay and those that may go. Never to go: what is `inUse` (a live attempt
 * resumed from it, or it is pinned), the newest good one, the newest verified one, and whatever is not good (it may still be written).
 */
export function planRetention(newestFirst: readonly RetentionItem[], rules: KeepRules, inUse: ReadonlySet<string>): RetentionPlan {
  const keep = new Map<string, string[]>();
  const stay = (id: string, why: string): void => {
    keep.set(id, [...(keep.get(id) ?? []), why]);
  };
  const good = newestFirst.filter((item) => item.good);
  for (const item of newestFirst) {
    if (inUse.has(item.id)) stay(item.id, "in use");
    if (!item.good) stay(item.id, "not complete: it may still be written");
  }
  const newest = good[0];
  if (newest !== undefined) stay(newest.id, "the newest");
  const verified = good.find((item) => item.verified);
  if (verified !== undefined) stay(verified.id, "the newest verified");
  for (const item of good.slice(0, Math.max(0, rules.last ?? DEFAULT_LAST))) stay(item.id, "one of the last");
  if (rules.everyMs !== undefined && rules.everyMs > 0) {
    // The first of each span stays: it does not change when later ones come, so that pruning often equals pruning once.
    const spans = new Set<number>();
    for (const item of [...good].sort((a, b) => a.at - b.at)) {
      const span = Math.floor(item.at / rules.everyMs);
      if (!spans.has(span)) stay(item.id, "the first of its time span");
      spans.add(span);
    }
  }
  const { best } = rules;
  if (best !== undefined) {
    let top: { id: string; value: number } | undefined;
    for (const item of good) {
      const value = item.metrics?.[best.metric];
      if (value === undefined || !Number.isFinite(value)) continue;
      if (top === undefined || (best.mode === "min" ? value < top.value : value > top.value)) top = { id: item.id, value };
    }
    if (top !== undefined) stay(top.id, `the best ${best.metric}`);
  }
  return { keep, remove: newestFirst.filter((item) => !keep.has(item.id)).map((item) => item.id) };
}
