import { describe, expect, it } from "vitest";
import { offer } from "../../test/support/memory-provider.ts";
import { record } from "../../test/support/records.ts";
import type { Machine } from "../provider/resource.ts";
import type { ResourceState } from "../tracker/evolve-resource.ts";
import { decideIntent, type IntentSight } from "./decide-intent.ts";

const NOW = Date.parse("2026-01-02T00:00:00Z");
const HOUR = 3_600_000;
const iso = (ms: number): string => new Date(ms).toISOString();
const machine = (id: string, over: Partial<Machine> = {}): Machine => ({
  ref: { provider: "mem", kind: "machine", id },
  name: id,
  state: "running",
  tags: {},
  createdAt: iso(NOW - HOUR),
  ...over,
});
const state = (over: Partial<ResourceState> = {}): ResourceState => ({
  purchase: "open",
  intent: {
    id: "i1",
    name: "n",
    attempt: 0,
    offers: [offer("small", 1)],
    nodes: 1,
    tags: {},
    boot: "",
    volumes: [],
    env: {},
    endBy: iso(NOW + HOUR),
  },
  mirror: false,
  usage: [],
  ...over,
});
const sight = (over: Partial<IntentSight> = {}): IntentSight => ({
  machines: [],
  complete: true,
  creatorAlive: false,
  recordedAt: NOW - HOUR,
  settleMs: 60_000,
  now: NOW,
  ...over,
});

describe("decideIntent", () => {
  it("adopts what an open purchase bought, the oldest of duplicates", () => {
    expect(decideIntent(state(), sight({ machines: [machine("b"), machine("a", { createdAt: iso(NOW - 2 * HOUR) })] }))).toMatchObject({
      type: "adopt",
      machine: { name: "a" },
      duplicates: [{ name: "b" }],
    });
    expect(decideIntent(state({ purchase: "queued" }), sight({ machines: [machine("a")] })).type).toBe("adopt");
  });
  it("ends it instead when its own end has passed", () => {
    const late = state({ intent: { ...state().intent, endBy: iso(NOW - 1) } as never });
    expect(decideIntent(late, sight({ machines: [machine("a")] })).type).toBe("end");
  });
  it("P-02: absence makes it void only after the settle window, in a complete listing; a queue is waited for", () => {
    expect(decideIntent(state(), sight()).type).toBe("void");
    expect(decideIntent(state(), sight({ recordedAt: NOW - 59_999 })).type).toBe("wait");
    expect(decideIntent(state(), sight({ recordedAt: Number.NaN })).type).toBe("wait");
    expect(decideIntent(state(), sight({ complete: false })).type).toBe("wait");
    expect(decideIntent(state({ purchase: "queued" }), sight()).type).toBe("wait");
  });
  it("leaves it to its creator while that lives", () => {
    expect(decideIntent(state(), sight({ creatorAlive: true, machines: [machine("a")] })).type).toBe("wait");
    expect(
      decideIntent(state({ purchase: "created", record: record() }), sight({ creatorAlive: true, machines: [machine("b")] })).type,
    ).toBe("none");
  });
  it("ends what appears of a void purchase for 24 hours, at any time", () => {
    const voided = state({ purchase: "void", voidSince: iso(NOW - 25 * HOUR) });
    expect(decideIntent(voided, sight({ machines: [machine("a")] }))).toMatchObject({ type: "end", machines: [{ name: "a" }] });
    expect(decideIntent(voided, sight({ machines: [machine("a", { state: "ended" })] })).type).toBe("sweep-done");
    expect(decideIntent(voided, sight({ complete: false })).type).toBe("wait");
    expect(decideIntent(state({ purchase: "void", voidSince: iso(NOW - 23 * HOUR) }), sight()).type).toBe("wait");
    expect(decideIntent(state({ purchase: "void" }), sight()).type).toBe("wait");
  });
  it("ends late duplicates of what was created, never the machine itself", () => {
    const created = state({ purchase: "created", record: record() });
    expect(decideIntent(created, sight({ machines: [machine("m-1"), machine("m-2")] }))).toMatchObject({
      type: "end",
      machines: [{ name: "m-2" }],
    });
    expect(decideIntent(created, sight({ machines: [machine("m-1")] })).type).toBe("none");
    expect(decideIntent(created, sight()).type).toBe("none");
  });
  it("has nothing to do with closed, swept or foreign streams", () => {
    for (const purchase of ["closed", "swept", undefined] as const)
      expect(decideIntent(state({ purchase }), sight({ machines: [machine("a")] })).type).toBe("none");
    expect(decideIntent({ mirror: false, usage: [] }, sight()).type).toBe("none");
  });
});
