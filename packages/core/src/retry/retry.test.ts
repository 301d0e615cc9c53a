import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fixedRandom, ManualClock } from "../../test/support/manual-clock.ts";
import { AbortedError, NotFoundError, ThrottledError, TimeoutError, ValidationError } from "../errors/kinds.ts";
import type { RunctlError } from "../errors/runctl-error.ts";
import { retry, retryDelayMs } from "./retry.ts";
import { checkRetryPolicy, type RetryPolicy } from "./retry-policy.ts";

const busy = (retryAfterMs?: number): ThrottledError => new ThrottledError({ what: "Too many requests.", retryAfterMs });

async function waits(
  policy: RetryPolicy,
  error: (attempt: number) => unknown = () => busy(),
): Promise<{ delays: number[]; outcome: unknown }> {
  const clock = new ManualClock();
  const delays: number[] = [];
  const outcome = await clock
    .runUntil(
      retry(
        (attempt) => {
          throw error(attempt);
        },
        { clock, random: fixedRandom(0.5), onRetry: ({ delayMs }) => delays.push(delayMs), ...policy },
      ),
    )
    .catch((failure: unknown) => failure);
  expect(clock.pending).toBe(0);
  return { delays, outcome };
}

describe("retry", () => {
  it.each<[string, RetryPolicy, number[]]>([
    ["defaults: 5 attempts, full jitter", {}, [50, 100, 200, 400]],
    ["no jitter", { jitter: "none" }, [100, 200, 400, 800]],
    ["cap", { jitter: "none", initialMs: 1000, factor: 10, capMs: 5000, attempts: 4 }, [1000, 5000, 5000]],
    ["constant", { jitter: "none", factor: 1, attempts: 3 }, [100, 100]],
    ["one attempt", { attempts: 1 }, []],
    ["no wait", { initialMs: 0, attempts: 3 }, [0, 0]],
  ])("waits as the policy says: %s", async (_name, policy, expected) => {
    expect((await waits(policy)).delays).toEqual(expected);
  });

  it.each([
    ["longer than ours", 700, 700],
    ["shorter than ours", 10, 100],
    ["above the cap", 3_600_000, 30_000],
    ["negative", -5, 100],
    ["not a number", Number.NaN, 100],
    ["endless", Number.POSITIVE_INFINITY, 100],
  ])("honours Retry-After within bounds: %s", async (_name, asked, expected) => {
    const { delays } = await waits({ jitter: "none", attempts: 2 }, () => busy(asked));
    expect(delays).toEqual([expected]);
  });

  it("gives the value of the attempt that succeeds", async () => {
    const clock = new ManualClock();
    const value = await clock.runUntil(
      retry(
        async (attempt) => {
          if (attempt < 3) throw busy();
          return attempt;
        },
        { clock },
      ),
    );
    expect(value).toBe(3);
  });

  it("rethrows what is not retryable unwrapped, at the first failure", async () => {
    for (const error of [new NotFoundError({ what: "No." }), new TypeError("bug"), "text", undefined, null]) {
      const { delays, outcome } = await waits({}, () => error);
      expect(delays).toEqual([]);
      expect(outcome).toBe(error);
    }
  });

  it("ends with the last error, its kind, the number of attempts and all errors in the causes", async () => {
    const errors = [busy(), busy(), busy(1)];
    const { outcome } = await waits({ attempts: 3 }, (attempt) => errors[attempt - 1]);
    expect(outcome).toBe(errors[2]);
    expect(outcome).toMatchObject({ code: "RUNCTL_THROTTLED", retryAfterMs: 1, context: { attempts: 3 } });
    expect((outcome as { cause: AggregateError }).cause.errors).toEqual(errors.slice(0, 2));
  });

  it("keeps few errors however many attempts there were", async () => {
    const { outcome } = await waits({ attempts: 200, initialMs: 0 }, () => busy());
    expect((outcome as { cause: AggregateError }).cause.errors.length).toBeLessThanOrEqual(11);
  });

  it("retries what the caller calls retryable, and rethrows foreign errors unwrapped at the end", async () => {
    const error = new TypeError("flaky");
    const { delays, outcome } = await waits({ attempts: 3, isRetryable: () => true }, () => error);
    expect(delays).toHaveLength(2);
    expect(outcome).toBe(error);
  });

  it.each([
    ["the platform's AbortError", () => new DOMException("stop", "AbortError")],
    ["ours", () => new AbortedError({ what: "Aborted." })],
    ["node's", () => Object.assign(new Error("stop"), { code: "ABORT_ERR" })],
  ])("P-30 never retries an abort: %s", async (_name, make) => {
    const error = make();
    const { delays, outcome } = await waits({ isRetryable: () => true }, () => error);
    expect(delays).toEqual([]);
    expect(outcome).toBe(error);
  });

  it("P-30 an aborting signal ends the wait at once with the caller's own reason", async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    const reason = { mine: true };
    let calls = 0;
    const result = retry(
      () => {
        calls += 1;
        throw busy();
      },
      { clock, signal: controller.signal, jitter: "none" },
    ).catch((error: unknown) => error);
    await clock.advance(0);
    expect(clock.pending).toBe(1);
    controller.abort(reason);
    expect(await result).toBe(reason);
    expect(clock.pending).toBe(0);
    expect(calls).toBe(1);
  });

  it("an operation that fails because of the signal rejects with the signal's reason", async () => {
    const controller = new AbortController();
    const reason = new Error("mine");
    const result = retry(
      () => {
        controller.abort(reason);
        throw busy();
      },
      { signal: controller.signal },
    );
    await expect(result).rejects.toBe(reason);
  });

  it("does not begin when the signal is aborted already", async () => {
    let calls = 0;
    await expect(retry(() => (calls += 1), { signal: AbortSignal.abort("why") })).rejects.toBe("why");
    expect(calls).toBe(0);
  });

  it.each<[string, RetryPolicy, RegExp]>([
    ["attempts 0", { attempts: 0 }, /attempts.*number 0.*whole number/],
    ["attempts 1.5", { attempts: 1.5 }, /attempts/],
    ["attempts text", { attempts: "5" as never }, /attempts.*string 5/],
    ["negative wait", { initialMs: -1 }, /initialMs.*negative/],
    ["NaN", { capMs: Number.NaN }, /capMs/],
    ["factor below 1", { factor: 0.5 }, /factor.*at least 1/],
    ["cap below initial", { initialMs: 1000, capMs: 10 }, /capMs.*initialMs/],
    ["jitter", { jitter: "some" as never }, /jitter.*full/],
    ["unknown key", { retries: 3 } as never, /retries/],
  ])("refuses a policy that makes no sense: %s", async (_name, policy, message) => {
    const error = await retry(() => 1, policy).catch((failure: unknown) => failure);
    expect(ValidationError.isInstance(error)).toBe(true);
    expect((error as RunctlError).what).toMatch(message);
  });

  it("never waits longer than the cap nor less than zero, whatever is asked", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2000 }),
        fc.double({ min: 0, max: 0.999999, noNaN: true }),
        fc.double(),
        fc.integer({ min: 0, max: 100_000 }),
        (attempt, drawn, asked, capMs) => {
          const policy = checkRetryPolicy({ initialMs: Math.min(100, capMs), capMs });
          const delay = retryDelayMs(policy, attempt, busy(asked), fixedRandom(drawn));
          return delay >= 0 && delay <= capMs;
        },
      ),
    );
  });

  it("a timeout is an ordinary retryable error", async () => {
    const { delays } = await waits({ attempts: 2 }, () => new TimeoutError({ what: "Slow." }));
    expect(delays).toHaveLength(1);
  });
});
