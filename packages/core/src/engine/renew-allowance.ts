import type { DriverPort } from "./driver-port.ts";
import { control } from "./execute-control.ts";
import { limitsOf } from "./execute-plan.ts";
import { setAside } from "./project-budget.ts";
import { machineOf } from "./run-state.ts";
import { spentUsd } from "./spent.ts";

/** Sets more of the project's money aside for an attempt under way and tells its host. With nothing left the old allowance stands, and ends it. */
export async function renewAllowance(driver: DriverPort, number: number): Promise<void> {
  const { state, context } = driver;
  const attempt = state.attempts.find((candidate) => candidate.number === number);
  if (attempt === undefined || attempt.outcome !== undefined) return;
  const machine = machineOf(state, attempt);
  const intent = machine.intentId === undefined ? undefined : state.intents[machine.intentId];
  const price = (intent?.offer.maxPricePerHour ?? intent?.offer.pricePerHour)?.amount;
  if (intent?.allowanceUsd == null || price === undefined) return;
  const now = context.clock.now();
  const usd = await setAside(context, {
    runId: driver.runId,
    spentUsd: spentUsd(state, now).usd,
    priceUsdPerHour: price,
    heldUsd: intent.allowanceUsd,
  });
  if (usd <= intent.allowanceUsd) return;
  const granted = { ...state, intents: { ...state.intents, [intent.intent.id]: { ...intent, allowanceUsd: usd } } };
  const left = limitsOf(granted, machine, now).allowance;
  // The host counts from the attempt's start; what is left is counted from now.
  const used = Math.max(0, now - Date.parse(attempt.armedAt ?? attempt.plannedAt)) / 1000;
  const seq = attempt.allowanceSeq + 1;
  const seconds = (left.seconds ?? left.hardSeconds) + used;
  const hardSeconds = left.hardSeconds + used;
  await control(driver, number, { op: "allowance", seq, seconds, hardSeconds }, `allowance-${seq}`);
  await driver.fact({ type: "allowance-granted", attempt: number, seq, seconds, hardSeconds, usd });
}
