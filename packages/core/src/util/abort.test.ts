import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { AbortedError, TimeoutError } from "../errors/kinds.ts";
import { abortable, anySignal, isAbort } from "./abort.ts";

describe("anySignal", () => {
  it("aborts with the reason of the first, and lets go of the others", () => {
    const [a, b] = [new AbortController(), new AbortController()];
    const { signal } = anySignal([a.signal, undefined, b.signal]);
    b.abort("b");
    a.abort("a");
    expect(signal.reason).toBe("b");
    expect(getEventListeners(a.signal, "abort")).toHaveLength(0);
  });

  it("is aborted at once when a source is", () => {
    expect(anySignal([new AbortController().signal, AbortSignal.abort("early")]).signal.reason).toBe("early");
  });

  it("P-31 leaves no listener after release", () => {
    const source = new AbortController();
    for (let n = 0; n < 100; n += 1) anySignal([source.signal]).release();
    expect(getEventListeners(source.signal, "abort")).toHaveLength(0);
  });
});

describe("abortable", () => {
  it("passes value and error on and leaves no listener", async () => {
    const { signal } = new AbortController();
    expect(await abortable(Promise.resolve(1), signal)).toBe(1);
    await expect(abortable(Promise.reject(new Error("x")), signal)).rejects.toThrow("x");
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("P-30 rejects with the caller's own reason", async () => {
    const controller = new AbortController();
    const waiting = abortable(new Promise(() => {}), controller.signal);
    const reason = { own: 1 };
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(abortable(Promise.reject(new Error("later")), controller.signal)).rejects.toBe(reason);
  });
});

describe("isAbort", () => {
  it.each([
    [new DOMException("x", "AbortError"), true],
    [new AbortedError({ what: "x" }), true],
    [new DOMException("x", "TimeoutError"), false],
    [new TimeoutError({ what: "x" }), false],
    [new Error("x"), false],
    [undefined, false],
  ])("%s: %s", (error, expected) => expect(isAbort(error)).toBe(expected));

  it("knows the signal's own reason", () => expect(isAbort("mine", AbortSignal.abort("mine"))).toBe(true));
});
