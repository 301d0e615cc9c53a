import { readFile } from "node:fs/promises";
import { sleep } from "@runctl/core/provider";
import { describe, expect, it, vi } from "vitest";
import { StuckError } from "./stuck-error.ts";
import { VirtualClock } from "./virtual-clock.ts";

describe("VirtualClock", () => {
  it("fires timers in the order of their due times, and of their making where those are equal", async () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    clock.timer(20, () => seen.push("c"));
    clock.timer(10, () => seen.push("a"));
    clock.timer(10, () => seen.push("b"));
    clock.timer(-5, () => seen.push("0"));
    clock.timer(Number.NaN, () => seen.push("NaN"));
    await clock.advance(15);
    expect(seen).toEqual(["0", "NaN", "a", "b"]);
    expect(clock.monotonic()).toBe(15);
    expect(clock.iso()).toBe("2026-01-01T00:00:00.015Z");
    expect(clock.pending).toBe(1);
    await clock.advance(5);
    expect(seen.at(-1)).toBe("c");
    expect(clock.firedTimers).toBe(5);
  });

  it("lets everything settle between two timers: promises, immediates and what those queue", async () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    clock.timer(1, () => {
      void (async () => {
        for (let n = 0; n < 50; n += 1) await null;
        await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
        seen.push(`first at ${clock.monotonic()}`);
      })();
    });
    clock.timer(2, () => seen.push("second"));
    await clock.advance(2);
    expect(seen).toEqual(["first at 1", "second"]);
  });

  it("stands still while the file system is asked", async () => {
    const clock = new VirtualClock();
    let at = -1;
    clock.timer(1, () => {
      void (async () => {
        for (let n = 0; n < 20; n += 1) await readFile(new URL(import.meta.url));
        at = clock.monotonic();
      })();
    });
    clock.timer(2, () => undefined);
    await clock.advance(1000);
    expect(at).toBe(1);
  });

  it("stands still while real work is held, and goes on when it is released", async () => {
    const clock = new VirtualClock();
    const release = clock.hold("a download");
    let fired = false;
    clock.timer(1, () => {
      fired = true;
    });
    const moving = clock.advance(10);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(fired).toBe(false);
    release();
    release();
    await moving;
    expect(fired).toBe(true);
    await expect(clock.during(Promise.reject(new Error("no")))).rejects.toThrow("no");
    await clock.idle();
  });

  it("run() goes as far as it must and passes on what came of it", async () => {
    const clock = new VirtualClock();
    const far = (async () => {
      for (let day = 0; day < 60; day += 1) await sleep(clock, 86_400_000);
      return "there";
    })();
    expect(await clock.run(far)).toBe("there");
    expect(clock.monotonic()).toBe(60 * 86_400_000);
    await expect(clock.run(Promise.reject(new TypeError("bad")))).rejects.toThrow(TypeError);
    expect(await clock.run(Promise.resolve(1))).toBe(1);
  });

  it("cuts timers where the real clock does, so that waits that forget to re-arm show", async () => {
    const clock = new VirtualClock();
    let at = 0;
    clock.timer(40 * 86_400_000, () => {
      at = clock.monotonic();
    });
    await clock.advance(60 * 86_400_000);
    expect(at).toBe(2_147_483_647);
  });

  it("reports a world that can go no further, and what waits in it", async () => {
    const clock = new VirtualClock();
    const process = clock.process("one");
    clock.explain(() => ["one: create of m-1 has no answer since 00:00"]);
    const never = new Promise(() => undefined);
    const stuck = await clock.run(never).catch((error: unknown) => error);
    expect(stuck).toBeInstanceOf(StuckError);
    expect(String(stuck)).toContain("Nothing is left that could happen");
    expect((stuck as StuckError).report.join("\n")).toMatch(/no timers[\s\S]*process one: 0 timers[\s\S]*create of m-1/);
    const beat = (): void => void process.clock.timer(5000, beat);
    beat();
    await expect(clock.run(never, { limitMs: 3 * 86_400_000 })).rejects.toThrow("within 3 days");
    process.kill();
    const spin = (): void => void clock.timer(0, spin);
    spin();
    await expect(clock.run(never)).rejects.toThrow("Time stands still");
  });

  it("one mover at a time: others wait for the world's time", async () => {
    const clock = new VirtualClock();
    const inside = (async () => {
      await clock.advance(500);
      return clock.run(sleep(clock, 10).then(() => clock.monotonic()));
    })();
    expect(await clock.run(inside)).toBe(510);
  });

  it("jump moves the wall clock only", async () => {
    const clock = new VirtualClock({ start: "2026-03-01T00:00:00Z" });
    let fired = 0;
    clock.timer(1000, () => {
      fired += 1;
    });
    clock.jump(-3_600_000);
    expect(clock.iso()).toBe("2026-02-28T23:00:00.000Z");
    expect(clock.monotonic()).toBe(0);
    await clock.advance(1000);
    expect(fired).toBe(1);
    expect(() => new VirtualClock({ start: "soon" })).toThrow(RangeError);
  });

  it("works under timers that a test has faked", async () => {
    vi.useFakeTimers();
    try {
      const clock = new VirtualClock();
      expect(await clock.run(sleep(clock, 5000).then(() => 1))).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });

  it("who waits at the turnstile passes in the order of who it is, not of when the file system answered", async () => {
    const clock = new VirtualClock();
    const seen: number[] = [];
    const one = async (order: number, reads: number): Promise<void> => {
      for (let n = 0; n < reads; n += 1) await readFile(new URL(import.meta.url));
      // The other one still reads.
      await clock.turnstile(order);
      seen.push(order);
    };
    await clock.run(Promise.all([one(2, 1), one(1, 30), one(0, 10)]));
    expect(seen).toEqual([0, 1, 2]);
    expect(clock.turnstile(0)).toBeUndefined();
  });

  it("holds 100,000 timers, most of them cancelled, without growing slow", async () => {
    const clock = new VirtualClock();
    let fired = 0;
    for (let n = 0; n < 100_000; n += 1) {
      const timer = clock.timer(1 + ((n * 7919) % 50_000), () => {
        fired += 1;
      });
      if (n % 100 !== 0) timer.cancel();
    }
    expect(clock.pending).toBe(1000);
    await clock.advance(60_000);
    expect(fired).toBe(1000);
    expect(clock.pending).toBe(0);
  });
});

describe("ProcessClock", () => {
  it("a killed process's timers never fire, and it makes no new ones", async () => {
    const clock = new VirtualClock();
    const one = clock.process("one");
    let fired = 0;
    one.clock.timer(10, () => {
      fired += 1;
    });
    one.kill();
    one.kill();
    one.clock.timer(10, () => {
      fired += 1;
    });
    await clock.advance(100);
    expect(fired).toBe(0);
    expect(clock.pending).toBe(0);
    expect(one.isAlive).toBe(false);
    expect(() => clock.process("one")).toThrow(RangeError);
  });

  it("a frozen process's timers wait; what came due meanwhile fires at once when it goes on, in order", async () => {
    const clock = new VirtualClock();
    const one = clock.process("one");
    const seen: string[] = [];
    one.clock.timer(20, () => seen.push(`b${one.clock.monotonic()}`));
    one.clock.timer(10, () => seen.push(`a${one.clock.monotonic()}`));
    const cancelled = one.clock.timer(15, () => seen.push("never"));
    one.clock.timer(200, () => seen.push(`c${one.clock.monotonic()}`));
    one.freeze();
    await clock.advance(100);
    expect(seen).toEqual([]);
    expect(one.pending).toBe(4);
    cancelled.cancel();
    one.thaw();
    await clock.advance(0);
    expect(seen).toEqual(["a100", "b100"]);
    await clock.advance(100);
    expect(seen.at(-1)).toBe("c200");
  });

  it("a suspended machine's monotonic clock stands still, its wall clock does not, and its timers are put off", async () => {
    const clock = new VirtualClock();
    const one = clock.process("one");
    const seen: number[] = [];
    one.clock.timer(50, () => seen.push(one.clock.monotonic()));
    await clock.advance(10);
    one.freeze({ suspend: true });
    const wall = one.clock.now();
    await clock.advance(1000);
    one.thaw();
    expect(one.clock.monotonic()).toBe(10);
    expect(one.clock.now() - wall).toBe(1000);
    await clock.advance(39);
    expect(seen).toEqual([]);
    await clock.advance(1);
    expect(seen).toEqual([50]);
  });

  it("a wrong wall clock is one process's own", async () => {
    const clock = new VirtualClock();
    const [one, two] = [clock.process("one"), clock.process("two")];
    one.skew(-90_000);
    expect(one.clock.now() - two.clock.now()).toBe(-90_000);
    one.skew(0);
    expect(one.clock.now()).toBe(clock.now());
  });
});
