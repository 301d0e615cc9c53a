import { describe, expect, it } from "vitest";
import { settle } from "../../test/support/manual-clock.ts";
import { EventBus } from "./event-bus.ts";

type Event = { type: "a"; n: number } | { type: "error"; text: string };

describe("EventBus", () => {
  it("a throwing listener breaks nothing and is reported", async () => {
    const reports: string[] = [];
    const seen: unknown[] = [];
    const bus = new EventBus<Event>({ error: (_message, fields) => void reports.push(String(fields?.error)) });
    bus.on("a", () => {
      throw new Error("first");
    });
    bus.on("a", (async () => {
      throw new Error("second");
    }) as () => void);
    bus.on("a", (event) => seen.push(event.n));
    bus.onAny((event) => seen.push(event.type));
    bus.emit({ type: "a", n: 1 });
    bus.emit({ type: "error", text: "unheard" });
    await settle();
    expect(seen).toEqual([1, "a", "error"]);
    expect(reports).toEqual(["first", "second"]);
  });

  it("a logger that throws breaks nothing", () => {
    const bus = new EventBus<Event>({
      error: () => {
        throw new Error("logger");
      },
    });
    bus.onAny(() => {
      throw new Error("x");
    });
    expect(() => bus.emit({ type: "a", n: 1 })).not.toThrow();
  });

  it("P-31 leaves no listener after unsubscribing, also twice and inside an event", () => {
    const bus = new EventBus<Event>();
    let calls = 0;
    const stop = bus.on("a", () => {
      calls += 1;
      stop();
    });
    const listener = (): void => {
      calls += 10;
    };
    const stops = [bus.onAny(listener), bus.onAny(listener)];
    bus.emit({ type: "a", n: 1 });
    expect(calls).toBe(21);
    stops[0]?.();
    stops[0]?.();
    bus.emit({ type: "a", n: 1 });
    expect(calls).toBe(31);
    stops[1]?.();
    expect(bus.listenerCount).toBe(0);
  });
});
