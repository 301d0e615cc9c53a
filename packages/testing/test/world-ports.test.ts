import { describe, it } from "vitest";
import { testObjectStore } from "../src/conformance/object-store.ts";
import { testStateStore } from "../src/conformance/state-store.ts";
import { World } from "../src/world/world.ts";

// The world's stores keep the rules that every store keeps: by themselves, and seen by a process through its gate.

testStateStore(
  () => {
    const world = new World({ seed: 1, clouds: [] });
    return { store: world.state, dispose: async () => world.dispose() };
  },
  { describe, it, name: "state store conformance: of a world" },
);

for (const unsynced of ["dropped", "kept"] as const) {
  testStateStore(
    () => {
      const world = new World({ seed: 1, unsynced });
      const again = unsynced === "kept" ? undefined : () => world.controller().state;
      return { store: world.controller().state, again, dispose: async () => world.dispose() };
    },
    { describe, it, name: `state store conformance: of a world, by a process, unsynced appends ${unsynced}` },
  );
}

const base = "memory://test";

testObjectStore(
  () => {
    const world = new World({ seed: 1, clouds: [] });
    return { store: world.store, again: () => world.store, base, pageSize: 40, dispose: async () => world.dispose() };
  },
  { describe, it, name: "object store conformance: of a world" },
);

testObjectStore(
  () => {
    const world = new World({ seed: 1 });
    return {
      store: world.controller().store,
      again: () => world.controller().store,
      base,
      pageSize: 40,
      dispose: async () => world.dispose(),
    };
  },
  { describe, it, name: "object store conformance: of a world, by a process" },
);
