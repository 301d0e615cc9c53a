import { describe, expect, it } from "vitest";
import { SlotGate } from "./slot-gate.ts";

describe("SlotGate", () => {
  it("S-27: never gives more slots than there are, and tells waiters when one came free", () => {
    const gate = new SlotGate(2, 10);
    let freed = 0;
    const off = gate.onFree(() => freed++);
    expect([gate.take("a"), gate.take("a"), gate.take("b"), gate.take("c")]).toEqual([true, true, true, false]);
    expect(gate.held).toBe(2);
    gate.release("a");
    gate.release("a");
    expect(freed).toBe(1);
    expect(gate.take("c")).toBe(true);
    off();
    gate.release("c");
    expect(freed).toBe(1);
  });
});
