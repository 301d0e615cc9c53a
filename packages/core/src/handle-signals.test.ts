import { afterEach, expect, it } from "vitest";
import { handleSignals } from "./handle-signals.ts";

const before = process.exitCode;
afterEach(() => {
  process.exitCode = before;
});

it("a close that fails after a signal is no unhandled rejection", async () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown): void => void unhandled.push(error);
  process.on("unhandledRejection", onUnhandled);
  const remove = handleSignals({ close: () => Promise.reject(new Error("disk full")) });
  process.emit("SIGINT");
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  process.off("unhandledRejection", onUnhandled);
  remove();
  expect(unhandled).toEqual([]);
  expect(process.listenerCount("SIGINT")).toBe(0);
});
