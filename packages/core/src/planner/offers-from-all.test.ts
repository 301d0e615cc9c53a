import { expect, test } from "vitest";
import { AuthenticationError } from "../errors/kinds.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import { offersFromAll } from "./offers-from-all.ts";
import { anOffer, aProvider } from "./planner.test-support.ts";

/** Timers fire only when told to. */
function handClock(): Clock & { fire(): void; pending(): number } {
  const timers = new Set<() => void>();
  return {
    now: () => 0,
    monotonic: () => 0,
    timer(_ms, fn) {
      timers.add(fn);
      return { cancel: () => timers.delete(fn) };
    },
    fire: () => {
      for (const fn of [...timers]) fn();
    },
    pending: () => timers.size,
  };
}

test("offers of all providers, cheapest first, unknown prices last", async () => {
  const a = aProvider("a", async () => [anOffer("a1", 3), anOffer("a2", undefined)]);
  const b = aProvider("b", async () => [anOffer("b1", 1), anOffer("bad", Number.NaN), anOffer("worse", -1)]);
  const result = await offersFromAll([a, b], {}, { clock: systemClock });
  expect(result.offers.map((offer) => offer.id)).toEqual(["b1", "a1", "a2", "bad", "worse"]);
  expect(result.offers.slice(2).every((offer) => offer.pricePerHour === undefined)).toBe(true);
  expect(result).toMatchObject({ partial: false, failures: [], stale: [] });
});

test("P-18 one provider that fails makes the result partial, also when it throws at once", async () => {
  const good = aProvider("good", async () => [anOffer("x", 1)]);
  const bad = aProvider("bad", () => Promise.reject(new AuthenticationError({ what: "The key is expired.", fix: ["Renew it."] })));
  const worse = aProvider("worse", () => {
    throw new TypeError("boom");
  });
  const result = await offersFromAll([bad, good, worse], {}, { clock: systemClock });
  expect(result.offers.map((offer) => offer.id)).toEqual(["x"]);
  expect(result.partial).toBe(true);
  expect(result.failures).toMatchObject([
    { id: "offers-authentication", what: "bad could not list its offers: The key is expired.", fix: ["Renew it."] },
    { id: "offers-failed", what: "worse could not list its offers: boom" },
  ]);
});

test("P-18 a provider that never answers and ignores its signal does not hold up the others", async () => {
  const clock = handClock();
  let signal: AbortSignal | undefined;
  const slow = aProvider("slow", (() => new Promise(() => {})) as never, {
    offers: (_request, options) => {
      signal = options?.signal;
      return new Promise(() => {});
    },
  });
  const result = offersFromAll([slow, aProvider("good", async () => [anOffer("x", 1)])], {}, { clock, timeoutMs: 5000 });
  // The good one's timer is gone once it has answered; the slow one's remains.
  await new Promise((resolve) => setImmediate(resolve));
  expect(clock.pending()).toBe(1);
  clock.fire();
  expect(await result).toMatchObject({
    partial: true,
    offers: [{ id: "x" }],
    failures: [{ id: "offers-timeout", what: expect.stringContaining("within 5 s") }],
  });
  expect(signal?.aborted).toBe(true);
  expect(clock.pending()).toBe(0);
});

test("P-30 an abort rejects with the caller's own reason and leaves no timer", async () => {
  const clock = handClock();
  const controller = new AbortController();
  const reason = new Error("mine");
  const result = offersFromAll([aProvider("slow", () => new Promise(() => {}))], {}, { clock, signal: controller.signal });
  controller.abort(reason);
  await expect(result).rejects.toBe(reason);
  expect(clock.pending()).toBe(0);
  await expect(offersFromAll([], {}, { clock, signal: controller.signal })).rejects.toBe(reason);
});

test("P-17 offers refused three times in a row are marked stale", async () => {
  const provider = aProvider("a", async () => [anOffer("x", 1), anOffer("y", 1)]);
  expect((await offersFromAll([provider], {}, { clock: systemClock, refusals: { x: 3, y: 2, gone: 9 } })).stale).toEqual(["x"]);
});
