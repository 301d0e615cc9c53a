import type { CaseStep } from "./case-id.ts";

/** One port call of a process, with what the world looked like on both sides of it. */
export interface TracePoint {
  /** Counted from 1 in its process. */
  at: number;
  port: string;
  op: string;
  /** The call changes the world (or may). */
  hasEffect: boolean;
  /** Digest of the world before the call and after its effect. */
  before: string;
  after: string;
}

/** A place to die, and the world that is left behind there. */
export interface CrashPoint {
  step: Extract<CaseStep, { do: "kill" }>;
  /** Names the world that the successor finds: cases with one key are one case. */
  key: string;
}

/**
 * Every place at which a process with this trace can die. A call without an effect has one (its three variants are the same world);
 * a call with one has three: before it, after it with the reply lost, and "late": after it has died and its successor has reconciled.
 */
export function crashPoints(trace: readonly TracePoint[]): CrashPoint[] {
  return trace.flatMap((point): CrashPoint[] => {
    const { at, before, after } = point;
    const never: CrashPoint = { step: { do: "kill", at, variant: "never" }, key: before };
    if (!point.hasEffect) return [never];
    return [
      never,
      { step: { do: "kill", at, variant: "applied" }, key: after },
      // The same world as "never", and a call that is still on its way.
      { step: { do: "kill", at, variant: "late" }, key: `${before} + ${point.port}.${point.op} → ${after}` },
    ];
  });
}

/** The crash points whose world was not seen before; `seen` takes them in. Keeps the order. */
export function unseen(points: readonly CrashPoint[], seen: Set<string>): CrashPoint[] {
  return points.filter((point) => {
    if (seen.has(point.key)) return false;
    seen.add(point.key);
    return true;
  });
}
