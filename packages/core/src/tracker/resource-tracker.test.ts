import { describe, expect, it } from "vitest";
import { MemoryCloud, memoryProvider, offer } from "../../test/support/memory-provider.ts";
import { record, segment, usd } from "../../test/support/records.ts";
import { testClock } from "../../test/support/test-clock.ts";
import { Costs } from "../cost/costs.ts";
import type { ResourceRecord } from "../cost/resource-record.ts";
import type { ThresholdWarning } from "../cost/thresholds.ts";
import { AlreadyExistsError, NotFoundError, ValidationError } from "../errors/kinds.ts";
import { memoryState } from "../state/memory-state.ts";
import type { StateStore } from "../state/state-store.ts";
import { ResourceTracker, type ResourceTrackerOptions } from "./resource-tracker.ts";

const HOUR = 3_600_000;

function setup(over: Partial<ResourceTrackerOptions> = {}) {
  const clock = testClock();
  const state = memoryState();
  const again = (): ResourceTracker => new ResourceTracker({ state, clock, project: "digits", user: "ann", ...over });
  return { clock, state, again, tracker: again() };
}

const runSource = (...records: ResourceRecord[]) => ({
  async *records() {
    yield* records;
  },
});

describe("ResourceTracker", () => {
  it("keeps what is registered for the next process", async () => {
    const { tracker, again, clock } = setup();
    await tracker.register({ ref: "aws/us-east-1/machine/i-0abc", name: "box", pricePerHour: usd(2), tags: { a: "b" } });
    clock.advance(HOUR);
    const found = await again().get("i-0abc");
    expect(found).toMatchObject({ id: "aws/us-east-1/machine/i-0abc", project: "digits", user: "ann", state: "running", tags: { a: "b" } });
    expect(found?.cost.total).toEqual(usd(2));
    expect(found?.ageMs).toBe(HOUR);
  });

  it("refuses a duplicate, also one that a run knows or another process registered", async () => {
    const { tracker, again } = setup({ sources: [runSource(record())] });
    await tracker.register({ ref: "mem/machine/x" });
    await expect(again().register({ ref: "mem/machine/x" })).rejects.toSatisfy(AlreadyExistsError.isInstance);
    await expect(tracker.register({ ref: "mem/machine/m-1" })).rejects.toSatisfy(AlreadyExistsError.isInstance);
    const both = await Promise.allSettled([tracker, again()].map((one) => one.register({ ref: "mem/machine/y" })));
    expect(both.map((result) => result.status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(await tracker.list()).toHaveLength(3);
  });

  it("counts from the cloud's launch time, not from the registration", async () => {
    const { tracker } = setup();
    const made = await tracker.register({ ref: "mem/machine/x", createdAt: "2025-12-31T22:00:00Z", pricePerHour: usd(3) });
    expect(made.cost.total).toEqual(usd(6));
  });

  it("S-18: running, stopped, restarted, spot and local add up by interval arithmetic, and stopping freezes a cost", async () => {
    const { tracker, clock } = setup();
    await tracker.register({ ref: "aws/machine/a", pricePerHour: usd(2), storagePricePerHour: usd(0.1), market: "spot" });
    await tracker.register({ ref: "runpod/machine/b", pricePerHour: usd(1) });
    await tracker.register({ ref: "local/machine/c", pricePerHour: usd(0) });
    clock.advance(2 * HOUR);
    await tracker.updateState("a", "stopped");
    clock.advance(10 * HOUR);
    await tracker.updateState("a", "running");
    clock.advance(HOUR);
    await tracker.updateState("b", "ended");
    clock.advance(HOUR);
    const summary = await tracker.summary();
    expect(summary.hourly.total).toEqual(usd(2.1));
    expect(summary.accumulated).toMatchObject({ total: usd(2 * 2 + 2 * 2 + 14 * 0.1 + 13), compute: usd(21), storage: usd(1.4) });
    expect(summary.today.total).toEqual(summary.accumulated.total);
    expect(summary.projectedDay.total).toEqual(usd(50.4));
    expect(summary.projectedWeek.total).toEqual(usd(352.8));
    expect(summary.counts).toEqual({ total: 2, byState: { running: 2 }, byProvider: { aws: 1, local: 1 }, byProject: { digits: 2 } });
    expect(await tracker.totalCost()).toEqual(summary.accumulated);
  });

  it("S-18: today begins at midnight UTC", async () => {
    const { tracker, clock } = setup();
    await tracker.register({ ref: "mem/machine/x", pricePerHour: usd(1) });
    clock.advance(25 * HOUR);
    expect((await tracker.summary()).today.total).toEqual(usd(1));
  });

  it("S-18: crossing a threshold warns once, also over processes and for two at once", async () => {
    const warnings: ThresholdWarning[] = [];
    const { tracker, again, clock } = setup({ onWarning: (warning) => warnings.push(warning), thresholds: { perDay: false } });
    await tracker.register({ ref: "mem/machine/x", pricePerHour: usd(6) });
    await Promise.all([tracker.summary(), again().summary()]);
    expect(warnings.map((warning) => warning.key)).toEqual(["machinePerHour:mem/machine/x"]);
    clock.advance(2 * HOUR);
    expect((await again().summary()).warnings.map((warning) => warning.threshold)).toEqual(["machinePerHour", "machineTotal"]);
    await tracker.summary();
    expect(warnings.map((warning) => warning.key)).toEqual(["machinePerHour:mem/machine/x", "machineTotal:mem/machine/x"]);
  });

  it("a listener that throws breaks nothing", async () => {
    const { tracker } = setup({
      onWarning: () => {
        throw new Error("boom");
      },
    });
    await tracker.register({ ref: "mem/machine/x", pricePerHour: usd(99) });
    expect((await tracker.summary()).warnings.length).toBeGreaterThan(0);
  });

  it("an unknown price is missing in every sum and never 0", async () => {
    const { tracker, clock } = setup();
    await tracker.register({ ref: "mem/machine/x" });
    clock.advance(HOUR);
    const summary = await tracker.summary();
    expect(summary.accumulated.complete).toBe(false);
    expect(summary.hourly.total).toBeUndefined();
    expect((await tracker.insights()).map((insight) => insight.id)).toContain("unknown-price");
    expect(await tracker.export("csv")).toContain(",,,USD,false");
  });

  it("an ended record is closed: final, cheap to read, and never running again", async () => {
    const { tracker, again, state, clock } = setup();
    await tracker.register({ ref: "mem/machine/x", pricePerHour: usd(1) });
    clock.advance(HOUR);
    await tracker.updateState("x", "ended");
    const infos = [];
    for await (const info of state.list("resource/")) infos.push(info);
    expect(infos.map((info) => info.ended)).toEqual([true]);
    clock.advance(HOUR);
    expect(await again().list()).toEqual([]);
    expect((await again().list({ showEnded: true })).map((resource) => resource.cost.total)).toEqual([usd(1)]);
    await expect(tracker.updateState("x", "running")).rejects.toThrow(/ended/);
    expect((await again().get("x"))?.state).toBe("ended");
  });

  it("keeps the newest 1,000 usage samples and no command line", async () => {
    const { tracker, state } = setup();
    await tracker.register({ ref: "mem/machine/x" });
    for (let i = 0; i < 1_005; i++) {
      await tracker.recordUsage("x", {
        at: new Date(i * 1000).toISOString(),
        cpuPercent: i,
        disks: [],
        gpus: [],
        processes: [{ pid: 1, cpuPercent: 1, memoryBytes: 1, command: "train --token sk-secret" }],
      });
    }
    const usage = (await tracker.get("x"))?.usage ?? [];
    expect([usage.length, usage[0]?.cpuPercent, usage.at(-1)?.cpuPercent]).toEqual([1_000, 5, 1_004]);
    for await (const info of state.list("")) expect(JSON.stringify(await state.read(info.stream))).not.toContain("sk-secret");
  });

  it("bad input is named and changes nothing", async () => {
    const { tracker } = setup();
    await tracker.register({ ref: "aws/a/machine/x" });
    await tracker.register({ ref: "aws/b/machine/x" });
    await expect(tracker.get("x")).rejects.toThrow(/names 2 resources/);
    await expect(tracker.updateState("nope", "stopped")).rejects.toSatisfy(NotFoundError.isInstance);
    await expect(tracker.updateState("aws/a/machine/x", "asleep" as "stopped")).rejects.toSatisfy(ValidationError.isInstance);
    await expect(tracker.updateState("aws/a/machine/x", "stopped", { at: "noon" })).rejects.toSatisfy(ValidationError.isInstance);
    await expect(tracker.register({ ref: "what" })).rejects.toThrow(/not a resource/);
    await expect(tracker.register({ ref: "mem/machine/y", pricePerHour: usd(-1) })).rejects.toThrow(/pricePerHour/);
    await expect(tracker.register({ ref: "mem/machine/y", wrong: 1 } as never)).rejects.toSatisfy(ValidationError.isInstance);
    expect(() => new ResourceTracker({ state: memoryState(), clock: testClock(), thresholds: { perHour: -1 } })).toThrow(/thresholds/);
    await expect(tracker.list({ sort: "price" as "cost" })).rejects.toThrow(/sort must be/);
    await expect(tracker.list({ limit: -1 })).rejects.toThrow(/limit/);
    await expect(tracker.export("pdf" as "csv")).rejects.toThrow(/json, csv or html/);
    expect(await tracker.list()).toHaveLength(2);
  });

  it("S-19: filters by provider, project, user, state, type, tag and run, sorts and limits", async () => {
    const { tracker, clock } = setup({ sources: [runSource(record({ runId: "r1", type: "g5" }))] });
    await tracker.register({
      ref: "aws/machine/a",
      name: "a",
      project: "p2",
      user: "bob",
      pricePerHour: usd(3),
      tags: { team: "x" },
      createdAt: "2025-12-31T23:00:00Z",
    });
    await tracker.register({ ref: "aws/machine/b", name: "b", pricePerHour: usd(5), state: "pending" });
    await tracker.register({ ref: "aws/machine/c", name: "c", pricePerHour: usd(1) });
    await tracker.updateState("c", "stopped");
    await tracker.register({ ref: "aws/machine/d", name: "d" });
    await tracker.updateState("d", "ended");
    clock.advance(HOUR);
    const names = async (filter: Parameters<ResourceTracker["list"]>[0]) => (await tracker.list(filter)).map((resource) => resource.name);
    expect(await names({ provider: "mem" })).toEqual(["m-1"]);
    expect(await names({ platform: ["aws"] })).toEqual(["a", "b", "c"]);
    expect(await names({ project: "p2" })).toEqual(["a"]);
    expect(await names({ user: "bob" })).toEqual(["a"]);
    expect(await names({ state: "stopped" })).toEqual(["c"]);
    expect(await names({ state: "ended" })).toEqual(["d"]);
    expect(await names({ type: "g5" })).toEqual(["m-1"]);
    expect(await names({ runId: "r1" })).toEqual(["m-1"]);
    expect(await names({ tag: { team: "x" } })).toEqual(["a"]);
    expect(await names({ tag: { constructor: "x" } })).toEqual([]);
    expect(await names({ sort: "cost" })).toEqual(["b", "a", "m-1", "c"]);
    expect(await names({ sort: "accumulated" })).toEqual(["a", "b", "m-1", "c"]);
    expect((await names({ sort: "age" }))[0]).toBe("a");
    expect(await names({ sort: "state", limit: 2 })).toEqual(["b", "a"]);
    expect(await names({ showEnded: true, sort: "name" })).toEqual(["a", "b", "c", "d", "m-1"]);
    expect((await tracker.running()).map((resource) => resource.name).sort()).toEqual(["a", "b", "m-1"]);
    expect((await tracker.byTag("team", "x")).map((resource) => resource.name)).toEqual(["a"]);
  });

  it("S-19: json, csv and html agree, and none can be broken out of", async () => {
    const { tracker, clock } = setup();
    const evil = ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", " =1+1", 'a"b,c\r\nd', "<script>alert('&')</script>", "naïve 🚀"];
    for (const [i, name] of evil.entries())
      await tracker.register({ ref: `mem/machine/x${i}`, name, pricePerHour: usd(0.0104), project: name });
    clock.advance(HOUR);
    const json = JSON.parse(await tracker.export("json", { sort: "name" })) as { resources: Array<Record<string, string>> };
    const csv = parseCsv(await tracker.export("csv", { sort: "name" }));
    const html = await tracker.export("html", { sort: "name" });
    const columns = csv[0] ?? [];
    const jsonRows = json.resources.map((row) => columns.map((column) => row[column] ?? "?"));
    expect(csv.slice(1).map((row) => row.map((cell) => cell.replace(/^'/, "")))).toEqual(jsonRows);
    for (const cell of csv.slice(1).flat()) expect(cell).not.toMatch(/^\s*[=+\-@\t\r]/);
    expect(html).not.toMatch(/<script|src=|href=/i);
    const htmlRows = [...html.matchAll(/<tr>((?:<td>[\s\S]*?<\/td>)+)<\/tr>/g)].map((row) =>
      [...(row[1] ?? "").matchAll(/<td>([\s\S]*?)<\/td>/g)].map((cell) => unescapeHtml(cell[1] ?? "")),
    );
    expect(htmlRows).toEqual(jsonRows);
    expect(jsonRows).toHaveLength(evil.length);
    expect(json.resources[0]).toMatchObject({ accumulated: "0.0104", hourly: "0.0104", complete: "true" });
  });

  it("S-19: watch yields a summary at once and after each interval; leaving it leaves no timer", async () => {
    const clock = testClock({ auto: true });
    const tracker = new ResourceTracker({ state: memoryState(), clock });
    await tracker.register({ ref: "mem/machine/x", pricePerHour: usd(1) });
    const seen: string[] = [];
    for await (const summary of tracker.watch({ intervalMs: HOUR })) {
      seen.push(`${summary.at.slice(11, 13)}: ${summary.accumulated.total?.amount}`);
      if (seen.length === 3) break;
    }
    expect(seen).toEqual(["00: 0", "01: 1", "02: 2"]);
    expect(clock.pending()).toBe(0);
  });

  it("P-30: an aborted watch rejects with the caller's reason and leaves no timer", async () => {
    const { tracker, clock } = setup();
    const controller = new AbortController();
    const watching = tracker.watch({ intervalMs: 1000, signal: controller.signal });
    await watching.next();
    const next = watching.next();
    const reason = new Error("enough");
    queueMicrotask(() => controller.abort(reason));
    await expect(next).rejects.toBe(reason);
    expect(clock.pending()).toBe(0);
    await expect(tracker.watch({ intervalMs: 0 }).next()).rejects.toSatisfy(ValidationError.isInstance);
  });

  it("finds what wastes money", async () => {
    const { tracker, clock } = setup();
    await tracker.register({ ref: "mem/machine/old", pricePerHour: usd(11) });
    await tracker.register({ ref: "mem/machine/off", pricePerHour: usd(1), storagePricePerHour: usd(0.1) });
    await tracker.updateState("off", "stopped");
    await tracker.register({ ref: "mem/machine/busy", pricePerHour: usd(0) });
    expect((await tracker.insights()).map((insight) => insight.id)).toEqual(["high-burn", "stopped-storage"]);
    clock.advance(24 * HOUR + 1);
    for (let minute = 0; minute <= 30; minute += 10) {
      for (const [id, gpu] of [
        ["old", 1],
        ["busy", 90],
      ] as const) {
        await tracker.recordUsage(id, {
          at: new Date(clock.now() + minute * 60_000).toISOString(),
          disks: [],
          processes: [],
          gpus: [{ index: 0, name: "A10G", utilizationPercent: gpu }],
        });
      }
    }
    const insights = new Map((await tracker.insights()).map((insight) => [insight.id, insight.resourceIds]));
    expect(insights.get("old")).toEqual(["mem/machine/old", "mem/machine/busy"]);
    expect(insights.get("idle-gpu")).toEqual(["mem/machine/old"]);
  });

  it("reports a record that cannot be read instead of dropping it in silence", async () => {
    const { state, clock } = setup();
    const broken: StateStore = {
      ...state,
      async *list() {
        yield { stream: "resource/x", ended: false, corrupt: "checksum of 3" };
      },
    };
    expect((await new ResourceTracker({ state: broken, clock }).summary()).problems).toMatchObject([
      { id: "state-unreadable", why: "checksum of 3" },
    ]);
  });
});

describe("refreshCosts", () => {
  async function bought() {
    const { clock, state } = setup();
    const cloud = new MemoryCloud(clock);
    const providers = { find: (name: string) => (name === "mem" ? memoryProvider(cloud) : undefined), all: () => [memoryProvider(cloud)] };
    const tracker = new ResourceTracker({ state, clock, providers });
    const held = cloud.make("box", {}, "", offer("small", 1));
    await tracker.register({ ref: held.machine.ref, createdAt: held.machine.createdAt, pricePerHour: usd(1) });
    return { clock, state, cloud, providers, tracker, held, id: held.machine.ref.id };
  }

  it("P-16: the ledger equals an invoice computed apart from it, with disk, egress and minimum billing", async () => {
    const { clock, cloud, tracker, held, id } = await bought();
    clock.advance(HOUR);
    cloud.set(id, "stopped");
    clock.advance(7_000); // Seen late.
    await tracker.refreshCosts();
    clock.advance(5 * HOUR);
    cloud.set(id, "running");
    clock.advance(10_000); // Too short for the minimum of a minute.
    cloud.set(id, "stopped");
    clock.advance(HOUR);
    held.egressGb = 12;
    await tracker.refreshCosts();
    const total = (await tracker.totalCost()).total?.amount ?? 0;
    expect(cloud.invoice()).toBeGreaterThan(2);
    expect(Math.abs(total / cloud.invoice() - 1)).toBeLessThan(0.005);
    cloud.set(id, "ended");
    await tracker.refreshCosts();
    clock.advance(50 * HOUR);
    expect(Math.abs(((await tracker.totalCost()).total?.amount ?? 0) / cloud.invoice() - 1)).toBeLessThan(0.005);
    expect((await tracker.get(id))?.state).toBe("ended");
  });

  it("is repeatable: asking again writes nothing and counts nothing twice", async () => {
    const { clock, tracker, id } = await bought();
    clock.advance(HOUR);
    await tracker.updateState(id, "running");
    await tracker.refreshCosts();
    const before = await tracker.totalCost();
    expect((await tracker.refreshCosts()).updated).toEqual([]);
    expect(await tracker.totalCost()).toEqual(before);
  });

  it("P-02: a machine that is not in the listing stays as it was", async () => {
    const { clock, cloud, tracker, id } = await bought();
    cloud.mustHave(id).visibleAt = Number.POSITIVE_INFINITY;
    clock.advance(HOUR);
    await tracker.refreshCosts();
    expect((await tracker.get(id))?.state).toBe("running");
  });

  it("one failing provider is reported and the figures stay", async () => {
    const { cloud, tracker, clock, id } = await bought();
    await tracker.register({ ref: "other/machine/z", pricePerHour: usd(1) });
    cloud.fault("find", { always: "down" });
    cloud.fault("costs", { always: "throttle" });
    clock.advance(HOUR);
    const { updated, failures } = await tracker.refreshCosts();
    expect(updated).toEqual([]);
    expect(failures.map((failure) => failure.id).sort()).toEqual(["bill-unknown", "provider-missing", "states-unknown"]);
    expect((await tracker.get(id))?.cost.total).toEqual(usd(1));
  });

  it("does not write a stranger's state into our ledger", async () => {
    const { cloud, tracker, id } = await bought();
    cloud.mustHave(id).machine.tags = { "runctl:state": "somebody-else" };
    cloud.set(id, "ended");
    await tracker.refreshCosts();
    expect((await tracker.get(id))?.state).toBe("running");
  });

  it("bills a run's machine without touching the run's record, once in every report", async () => {
    const { clock, state, cloud, providers } = await bought();
    const held = cloud.make("run-box", {}, "", offer("small", 1));
    const at = held.machine.createdAt ?? "";
    const source = runSource(
      record({
        id: `mem/machine/${held.machine.ref.id}`,
        ref: held.machine.ref,
        runId: "r1",
        createdAt: at,
        segments: [segment({ from: at, pricePerHour: usd(9) })],
      }),
    );
    const tracker = new ResourceTracker({ state, clock, providers, sources: [source] });
    clock.advance(HOUR);
    await tracker.refreshCosts();
    const seen = await tracker.get(held.machine.ref.id);
    expect(seen?.cost).toMatchObject({ compute: usd(1), storage: usd(0.01) });
    await expect(tracker.updateState(held.machine.ref.id, "stopped")).rejects.toThrow(/kept by run r1/);
    const report = await new Costs({ clock, sources: [source, tracker] }).report({ by: "run" });
    expect(report.rows.find((row) => row.key === "r1")?.cost.total).toEqual(usd(1.01));
  });
});

describe("at scale", () => {
  it("lists 1,000 live and 10,000 ended resources without reading one ended log", async () => {
    const clock = testClock();
    const state = memoryState();
    const at = { session: "s", at: "2026-01-01T00:00:00Z" };
    for (let i = 0; i < 11_000; i++) {
      const ended = i >= 1_000;
      const one = record({
        id: `mem/machine/m${i}`,
        ref: { provider: "mem", kind: "machine", id: `m${i}` },
        ...(ended ? { state: "ended", endedAt: "2026-01-01T00:00:00Z" } : {}),
      });
      await state.append(`resource/r${i}`, [{ type: "registered", record: one as never }], { expected: 0, ...at });
      if (ended) await state.compact(`resource/r${i}`, { v: 1, record: one as never, mirror: false });
    }
    const read: string[] = [];
    const counted: StateStore = {
      ...state,
      read(stream, from) {
        read.push(stream);
        return state.read(stream, from);
      },
    };
    const tracker = new ResourceTracker({ state: counted, clock });
    expect(await tracker.list({ showEnded: true })).toHaveLength(11_000);
    expect(await tracker.list()).toHaveLength(1_000);
    expect(read.filter((stream) => Number(stream.slice("resource/r".length)) >= 1_000)).toEqual([]);
  });
});

/** RFC 4180, written apart from the writer. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = "";
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (quoted) {
      if (char === '"' && text[i + 1] === '"') cell += text[++i];
      else if (char === '"') quoted = false;
      else cell += char;
    } else if (char === '"') quoted = true;
    else if (char === ",") {
      row.push(cell);
      cell = "";
    } else if (char === "\r" && text[i + 1] === "\n") {
      rows.push([...row, cell]);
      row = [];
      cell = "";
      i++;
    } else cell += char;
  }
  return rows;
}

function unescapeHtml(html: string): string {
  return html.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&amp;", "&");
}
