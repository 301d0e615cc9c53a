import { context, trace } from "@opentelemetry/api";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { afterEach, describe, expect, it } from "vitest";
import { EventBus } from "../events/event-bus.ts";
import type { RunctlEvent } from "../events/event-types.ts";
import { Telemetry } from "./telemetry.ts";

const base = { v: 1, cursor: "c", runId: "r1" } as const;

afterEach(() => {
  trace.disable();
  context.disable();
});

describe("Telemetry", () => {
  it("is absent where the optional package is not installed, and nothing breaks", async () => {
    const bus = new EventBus<RunctlEvent>();
    expect(await Telemetry.start(bus, () => Promise.reject(new Error("not installed")))).toBeUndefined();
  });

  it("makes a span of a run and of each attempt, and hands the trace to the training", async () => {
    const exporter = new InMemorySpanExporter();
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
    const bus = new EventBus<RunctlEvent>();
    const telemetry = await Telemetry.start(bus);
    bus.emit({ ...base, type: "run-status", at: "2026-01-01T00:00:00.000Z", status: "queued" });
    const traceparent = telemetry?.traceparentOf("r1") ?? "";
    bus.emit({
      ...base,
      type: "attempt-started",
      at: "2026-01-01T00:00:01.000Z",
      attempt: 1,
      machineId: "m",
      provider: "local",
      market: "spot",
    });
    bus.emit({ ...base, type: "attempt-ended", at: "2026-01-01T00:00:05.000Z", attempt: 1, outcome: "failed", cause: "exit" });
    bus.emit({ ...base, type: "run-status", at: "2026-01-01T00:00:06.000Z", status: "failed" });
    const [attempt, run] = exporter.getFinishedSpans();
    expect([attempt?.name, run?.name]).toEqual(["runctl.attempt", "runctl.run"]);
    expect(attempt?.parentSpanContext?.spanId).toBe(run?.spanContext().spanId);
    expect(traceparent).toBe(`00-${run?.spanContext().traceId}-${run?.spanContext().spanId}-01`);
    expect(run?.status.code).toBe(2);
    expect(run?.duration[0]).toBe(6);
    expect(telemetry?.traceparentOf("r1")).toBeUndefined();
  });

  it("costs nothing to the training when nobody registered an SDK", async () => {
    const bus = new EventBus<RunctlEvent>();
    const telemetry = await Telemetry.start(bus);
    bus.emit({ ...base, type: "run-status", at: "2026-01-01T00:00:00.000Z", status: "queued" });
    expect(telemetry?.traceparentOf("r1")).toBeUndefined();
  });
});
