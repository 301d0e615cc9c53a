import type { EventBus } from "../events/event-bus.ts";
import type { RunctlEvent } from "../events/event-types.ts";

// The few members of @opentelemetry/api that are used: an optional package must not be needed for its types either.
interface Span {
  setAttribute(key: string, value: string | number | boolean): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  addEvent(name: string, attributes?: Record<string, string | number>, time?: Date): unknown;
  end(time?: Date): void;
  spanContext(): { traceId: string; spanId: string; traceFlags: number };
}
interface OpenTelemetry {
  trace: {
    getTracer(name: string): {
      startSpan(name: string, options: { startTime?: Date; attributes?: Record<string, string | number> }, context?: unknown): Span;
    };
    setSpan(context: unknown, span: Span): unknown;
  };
  context: { active(): unknown };
}

/** SpanStatusCode.ERROR of the OpenTelemetry API. */
const STATUS_ERROR = 2;

/**
 * Spans for runs and attempts, when the host application has `@opentelemetry/api` (1.x) installed; nothing otherwise. Without a
 * registered SDK the API itself does nothing. `traceparentOf` continues a run's trace in the training.
 */
export class Telemetry {
  readonly #api: OpenTelemetry;
  readonly #runs = new Map<string, Span>();
  readonly #attempts = new Map<string, Span>();

  private constructor(api: OpenTelemetry, bus: EventBus<RunctlEvent>) {
    this.#api = api;
    bus.onAny((event) => this.#take(event));
  }

  /** Undefined where the package is not installed. */
  static async start(bus: EventBus<RunctlEvent>, load: () => Promise<unknown> = loadApi): Promise<Telemetry | undefined> {
    try {
      return new Telemetry((await load()) as OpenTelemetry, bus);
    } catch {
      return undefined;
    }
  }

  /** W3C trace context of a run's span (https://www.w3.org/TR/trace-context/), for TRACEPARENT of the training. */
  traceparentOf(runId: string): string | undefined {
    const context = this.#runs.get(runId)?.spanContext();
    if (context === undefined || /^0*$/.test(context.traceId)) return undefined;
    return `00-${context.traceId}-${context.spanId}-${context.traceFlags.toString(16).padStart(2, "0")}`;
  }

  #take(event: RunctlEvent): void {
    const { runId } = event;
    if (runId === undefined) return;
    const at = new Date(event.at);
    const run = this.#run(runId, at);
    switch (event.type) {
      case "run-status":
        run.addEvent(`status ${event.status}`, {}, at);
        if (ENDED.has(event.status)) this.#endRun(runId, run, event.status, at);
        return;
      case "attempt-started":
        this.#attempts.set(
          `${runId}/${event.attempt}`,
          this.#span("runctl.attempt", run, at, {
            "runctl.attempt": event.attempt ?? 0,
            "runctl.provider": event.provider,
            "runctl.market": event.market,
          }),
        );
        return;
      case "attempt-ended": {
        const span = this.#attempts.get(`${runId}/${event.attempt}`);
        this.#attempts.delete(`${runId}/${event.attempt}`);
        span?.setAttribute("runctl.outcome", event.outcome);
        if (event.outcome !== "succeeded") span?.setStatus({ code: STATUS_ERROR, message: event.cause });
        span?.end(at);
        return;
      }
      case "checkpoint-published":
        run.addEvent("checkpoint published", { "runctl.checkpoint": event.checkpoint.path }, at);
        return;
      default:
        return;
    }
  }

  #run(runId: string, at: Date): Span {
    const known = this.#runs.get(runId);
    if (known !== undefined) return known;
    const span = this.#api.trace.getTracer("@runctl/core").startSpan("runctl.run", { startTime: at, attributes: { "runctl.run": runId } });
    this.#runs.set(runId, span);
    return span;
  }

  #span(name: string, parent: Span, at: Date, attributes: Record<string, string | number>): Span {
    const { trace, context } = this.#api;
    return trace.getTracer("@runctl/core").startSpan(name, { startTime: at, attributes }, trace.setSpan(context.active(), parent));
  }

  #endRun(runId: string, span: Span, status: string, at: Date): void {
    if (status !== "succeeded") span.setStatus({ code: STATUS_ERROR, message: status });
    span.end(at);
    this.#runs.delete(runId);
  }
}

let api: Promise<unknown> | undefined;

/** Asked of the loader once a process: a package that is not there is searched for anew each time, in real time and off this thread. */
function loadApi(): Promise<unknown> {
  // Not a literal: bundlers must not try to include an optional package.
  const name = ["@opentelemetry", "api"].join("/");
  api ??= import(name) as Promise<unknown>;
  return api;
}

const ENDED: ReadonlySet<string> = new Set(["succeeded", "failed", "cancelled", "stopped", "timed-out", "out-of-budget", "lost"]);
