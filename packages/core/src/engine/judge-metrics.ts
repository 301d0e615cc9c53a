import { EarlyStopper } from "../metrics/early-stopper.ts";
import { MetricReader } from "../metrics/metric-reader.ts";
import type { DriverPort } from "./driver-port.ts";
import { readMetricLines } from "./metric-lines.ts";
import { Waker } from "./run-view.ts";

/** Reads a run's metrics as it trains and asks for a stop, checkpoint first, once the watched one no longer improves. */
export function judgeMetrics(driver: DriverPort): () => void {
  const stop = new AbortController();
  const waker = new Waker(driver.context.clock);
  const off = driver.onChange(() => waker.nudge());
  void judge(driver, waker, AbortSignal.any([stop.signal, driver.signal]))
    .catch(() => undefined)
    .finally(off);
  return () => stop.abort();
}

async function judge(driver: DriverPort, waker: Waker, signal: AbortSignal): Promise<void> {
  const { earlyStopping, metrics } = driver.state.spec;
  if (earlyStopping === undefined) return;
  const stopper = new EarlyStopper(earlyStopping);
  const reader = new MetricReader(metrics);
  let since = waker.nudges;
  const view = {
    refresh: async () => {
      since = waker.nudges;
      return driver.state;
    },
    changed: (maxMs: number, inner?: AbortSignal | undefined) => waker.wait(maxMs, since, inner),
    nudge: () => waker.nudge(),
  };
  for await (const line of readMetricLines(driver.context, view, { follow: true, signal })) {
    for (const point of reader.read(line)) {
      if (!stopper.add(point)) continue;
      const reason = `early stopping: ${earlyStopping.metric} has not improved for ${earlyStopping.patience} points (best ${stopper.best ?? "none"})`;
      await driver.fact({ type: "user-request", request: "stop", reason });
      return;
    }
  }
}
