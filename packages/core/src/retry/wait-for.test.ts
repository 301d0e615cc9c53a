import { describe, expect, it } from "vitest";
import { fixedRandom, ManualClock } from "../../test/support/manual-clock.ts";
import { NotFoundError, ThrottledError, ValidationError } from "../errors/kinds.ts";
import { type PollResult, type WaitOptions, waitFor } from "./wait-for.ts";

const states = (...list: string[]) => {
  return async (look: number): Promise<PollResult<number>> => {
    const state = list[Math.min(look, list.length) - 1] ?? "";
    return state === "ok" ? { done: true, value: look } : { done: false, state };
  };
};

function wait(
  poll: (look: number) => Promise<PollResult<number>>,
  options: Partial<WaitOptions>,
): { clock: ManualClock; result: Promise<unknown> } {
  const clock = new ManualClock();
  const result = waitFor(poll, { clock, random: fixedRandom(0.999), minMs: 100, maxMs: 1000, timeoutMs: 10_000, ...options });
  return { clock, result: clock.runUntil(result).catch((error: unknown) => error) };
}

describe("waitFor", () => {
  it("looks at once, and gives the value", async () => {
    const { clock, result } = wait(states("ok"), {});
    expect(await result).toBe(1);
    expect(clock.monotonic()).toBe(0);
  });

  it("backs off from minMs to maxMs", async () => {
    const at: number[] = [];
    const clock = new ManualClock();
    await clock.runUntil(
      waitFor(
        async (look) => {
          at.push(Math.round(clock.monotonic()));
          return look === 7 ? { done: true, value: 0 } : { done: false, state: "pending" };
        },
        { clock, random: fixedRandom(1), minMs: 100, maxMs: 1000, timeoutMs: 60_000 },
      ),
    );
    expect(at).toEqual([0, 100, 300, 700, 1500, 2500, 3500]);
  });

  it("times out with every state it saw, after a last look at the end", async () => {
    const { clock, result } = wait(states("pending", "pending", "starting"), { timeoutMs: 2000, what: "machine m-1 to be running" });
    const error = await result;
    expect(error).toMatchObject({ code: "RUNCTL_TIMEOUT", context: { last: "starting", observed: { pending: 2 } } });
    expect((error as Error).message).toContain("machine m-1 to be running");
    expect(clock.monotonic()).toBe(2000);
  });

  it("counts a retryable error as a state and waits as asked, up to maxMs", async () => {
    const { clock, result } = wait(async (look) => {
      if (look === 1) throw new ThrottledError({ what: "Busy.", retryAfterMs: 999_999 });
      return { done: true, value: look };
    }, {});
    expect(await result).toBe(2);
    expect(clock.monotonic()).toBe(1000);
  });

  it("ends with any other error as it is", async () => {
    const error = new NotFoundError({ what: "Gone." });
    expect(await wait(() => Promise.reject(error), {}).result).toBe(error);
  });

  it("P-30 ends with the caller's reason, also while a look is under way", async () => {
    const controller = new AbortController();
    const { clock, result } = wait(() => new Promise(() => {}), { signal: controller.signal });
    await clock.advance(5);
    controller.abort("mine");
    expect(await result).toBe("mine");
  });

  it.each([[{ minMs: 0 }], [{ minMs: 2000 }], [{ timeoutMs: -1 }], [{ timeoutMs: Number.NaN }], [{ maxMs: Number.POSITIVE_INFINITY }]])(
    "refuses %j",
    async (options) => {
      expect(ValidationError.isInstance(await wait(states("ok"), options).result)).toBe(true);
    },
  );
});
