import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { systemClock } from "../util/clock.ts";
import type { HostObservation } from "./host-client.ts";
import type { AttemptFixture } from "./testing/attempt-fixture.ts";
import { it } from "./testing/host-test.ts";

const WAIT_MS = 20_000;

/** An attempt that trains, and what a first look at it saw. */
async function trains(host: AttemptFixture): Promise<HostObservation & { mark: string; dir: string }> {
  const attempt = host.attempt({ argv: ["sh", "-c", "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done"] });
  await host.start(attempt);
  await host.log(attempt, "up");
  // Every phase is behind it.
  let seen = await host.client.observe(host.session, "run1", 1);
  while (seen.status?.phase !== "training" || seen.mark === undefined) {
    seen = await host.client.observe(host.session, "run1", 1, { eventsOffset: seen.eventsOffset });
  }
  return { ...seen, mark: seen.mark, dir: host.client.attemptDir(host.session, "run1", 1) };
}

function waits(host: AttemptFixture, seen: { mark: string; eventsOffset: number }, ms = WAIT_MS): Promise<HostObservation> {
  return host.client.observe(host.session, "run1", 1, { eventsOffset: seen.eventsOffset, wait: { ms, mark: seen.mark } });
}

describe.concurrent("a look that waits on the host", () => {
  it("comes back at its end when nothing changed: keepalives of the status are no change", async ({ host }) => {
    const seen = await trains(host);
    const begun = systemClock.monotonic();
    const after = await waits(host, seen, 6_000);
    expect(systemClock.monotonic() - begun).toBeGreaterThan(5_500);
    expect(after).toMatchObject({ exists: true, mark: seen.mark, events: [] });
  });

  it("S-12: tells of a notice and of an end long before, and at once of what happened before it began", async ({ host }) => {
    expect(await host.client.observe(host.session, "nobody", 1, { wait: { ms: WAIT_MS, mark: "x" } })).toMatchObject({ exists: false });
    const seen = await trains(host);
    const waiting = waits(host, seen);
    const begun = systemClock.monotonic();
    appendFileSync(
      join(seen.dir, "events.jsonl"),
      `${JSON.stringify({ type: "notice", at: "2026-01-01T00:00:00Z", action: "terminate", until: null, source: "test" })}\n`,
    );
    const told = await waiting;
    expect(told.events).toMatchObject([{ type: "notice", action: "terminate" }]);
    const ending = waits(host, { mark: told.mark ?? "", eventsOffset: told.eventsOffset });
    await host.client.control(host.session, "run1", 1, { op: "stop", cause: "stop" });
    expect((await ending).mark).not.toBe(told.mark);
    expect((await waits(host, seen)).mark).not.toBe(seen.mark);
    expect(systemClock.monotonic() - begun).toBeLessThan(WAIT_MS);
  });
});
