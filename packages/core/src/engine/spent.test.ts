import { describe, expect, it } from "vitest";
import { at, BOUGHT, MACHINE_ID, stateAfter } from "../../test/support/run-fixtures.ts";
import { segmentsOf } from "./spent.ts";

describe("the billed stretches of a machine", () => {
  it("P-16: when a machine was stopped is inferred: a listing shows that it is, not since when", () => {
    const state = stateAfter([...BOUGHT, { type: "machine-state", machineId: MACHINE_ID, state: "stopped" }]);
    const machine = state.machines[MACHINE_ID];
    expect(machine === undefined ? [] : segmentsOf(machine)).toMatchObject([{ from: at(1), to: at(4), evidence: "inferred" }]);
  });
});
