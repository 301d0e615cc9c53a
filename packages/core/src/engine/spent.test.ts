import { describe, expect, it } from "vitest";
import { at, BOUGHT, MACHINE_ID, stateAfter, T0 } from "../../test/support/run-fixtures.ts";
import { awaitsBill, segmentsOf, spentAtMostUsd, spentUsd } from "./spent.ts";

describe("the billed stretches of a machine", () => {
  it("P-16: when a machine was stopped is inferred: a listing shows that it is, not since when", () => {
    const state = stateAfter([...BOUGHT, { type: "machine-state", machineId: MACHINE_ID, state: "stopped" }]);
    const machine = state.machines[MACHINE_ID];
    expect(machine === undefined ? [] : segmentsOf(machine)).toMatchObject([{ from: at(1), to: at(4), evidence: "inferred" }]);
  });
});

describe("what a run has spent", () => {
  const created: Parameters<typeof stateAfter>[0] = BOUGHT.map((event) =>
    event.type === "intent-recorded" ? { ...event, offer: { ...event.offer, maxPricePerHour: { amount: 3, currency: "USD" } } } : event,
  );
  const gone = [...created, { type: "machine-ended", machineId: MACHINE_ID, endedAt: at(3601), evidence: "observed" }] as typeof created;
  const bill = { from: at(1), to: at(3601), what: "compute", pricePerHour: { amount: 2, currency: "USD" }, evidence: "billed" } as const;

  it("P-16: counts at the highest price, for limits, until the bill says what it was; and the next purchase waits for that", () => {
    const unbilled = stateAfter(gone);
    expect([spentUsd(unbilled, T0).usd, spentAtMostUsd(unbilled, T0), awaitsBill(unbilled)]).toEqual([1, 3, true]);
    const billed = stateAfter([...gone, { type: "machine-billed", machineId: MACHINE_ID, segments: [bill] }]);
    expect([spentUsd(billed, T0).usd, spentAtMostUsd(billed, T0), awaitsBill(billed)]).toEqual([2, 2, false]);
  });

  it("P-16: a price that cannot rise waits for nothing", () => {
    const state = stateAfter([...BOUGHT, { type: "machine-ended", machineId: MACHINE_ID, endedAt: at(3601), evidence: "observed" }]);
    expect([spentAtMostUsd(state, T0), awaitsBill(state)]).toEqual([1, false]);
  });
});
