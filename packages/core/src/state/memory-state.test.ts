import { describe, expect, it } from "vitest";
import { at, stateConformance } from "../../test/support/state-conformance.ts";
import { memoryState } from "./memory-state.ts";

stateConformance("memory", async () => ({ store: memoryState(), cleanup: async () => {} }));

describe("memoryState", () => {
  it("keeps its streams over close, for a second driver in the same process", async () => {
    const store = memoryState();
    await store.append("run/a", [{ n: 0 }], at(0));
    await store.close();
    expect(await store.read("run/a")).toHaveLength(1);
  });
});
