import { describe, expect, it } from "vitest";
import { at } from "../../test/support/state-appends.ts";
import { memoryState } from "./memory-state.ts";

describe("memoryState", () => {
  it("keeps its streams over close, for a second driver in the same process", async () => {
    const store = memoryState();
    await store.append("run/a", [{ n: 0 }], at(0));
    await store.close();
    expect(await store.read("run/a")).toHaveLength(1);
  });
});
