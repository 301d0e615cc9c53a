const ENDS = ["terminate", "stop", "hibernate"];
/** Of the time that is left, what an upload may take for one more save to be worth asking for. */
const SHARE_OF_TIME_LEFT = 0.7;

/**
 * attempt/interruption.py: milliseconds of grace for a training whose machine was given notice, undefined when it goes on; and the decision
 * in words. `left`: seconds until the announced instant; `upload`: seconds that the last upload took.
 */
export function graceFor(
  action: string,
  left: number | undefined,
  graceMs: number,
  upload: number | undefined,
): { grace: number | undefined; decision: string } {
  if (!ENDS.includes(action)) return { grace: undefined, decision: `${action} announced: training goes on` };
  if (left === undefined) return { grace: graceMs, decision: "the job is told to save: the notice names no time" };
  if (upload !== undefined && upload >= SHARE_OF_TIME_LEFT * left) {
    const decision = `no new checkpoint is asked for: its upload takes ${upload.toFixed(0)} s, ${left.toFixed(0)} s are left`;
    return { grace: 0, decision };
  }
  const seconds = upload ?? 0;
  const decision = `the job is told to save: ${left.toFixed(0)} s are left, an upload takes ${seconds.toFixed(0)} s`;
  return { grace: Math.max(0, Math.min(graceMs, (left - seconds - 1) * 1000)), decision };
}
