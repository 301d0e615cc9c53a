import { describe, expect, it } from "vitest";
import { record } from "../../test/support/records.ts";
import { TAGS } from "../provider/tags.ts";
import { type CleanupRules, resolveRules } from "./cleanup-rules.ts";
import type { CleanupFacts } from "./facts.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { nextStep } from "./grace.ts";
import { judge } from "./judge.ts";

const NOW = Date.parse("2026-01-10T00:00:00Z");
const ago = (ms: number): string => new Date(NOW - ms).toISOString();
const MINUTE = 60_000;

/** An own, old, idle machine of a run that is over: the one thing that may go. Every test spoils one fact. */
function facts(over: Partial<CleanupFacts> = {}): CleanupFacts {
  return {
    id: "mem/machine/m-1",
    ref: { provider: "mem", kind: "machine", id: "m-1" },
    name: "m-1",
    now: NOW,
    stateId: "state-a",
    tags: { [TAGS.state]: "state-a", [TAGS.createdBy]: "runctl", [TAGS.run]: "r1" },
    state: "running",
    absent: false,
    createdAt: ago(60 * MINUTE),
    pricePerHour: { amount: 1, currency: "USD" },
    record: record(),
    known: "ledger",
    driver: { runId: "r1", active: false, why: "The run has ended." },
    activity: { active: false, why: "Nothing works." },
    account: { pinned: "acct-1", actual: "acct-1" },
    protectedHere: false,
    failedCreate: false,
    deleting: false,
    neededBy: [],
    ...over,
  };
}
const tags = (more: Record<string, string>): Partial<CleanupFacts> => ({ tags: { ...facts().tags, ...more } });
const ids = (over: Partial<CleanupFacts>, rules: CleanupRules = {}, purpose: "sweep" | "explicit" = "sweep"): string[] =>
  judge(facts(over), resolveRules(rules), purpose).map((one) => one.id);

describe("judge", () => {
  it("lets go what is ours, known, old, idle, unprotected and left by its run", () => {
    expect(ids({})).toEqual([]);
    expect(ids({ known: "intent" })).toEqual([]);
  });

  it.each<[string, string, Partial<CleanupFacts>]>([
    ["(a) P-29 another state's", "not-ours", { tags: { ...facts().tags, [TAGS.state]: "state-b" } }],
    ["(a) P-29 untagged", "not-ours", { tags: {} }],
    ["(a) P-29 only the tool's name", "not-ours", { tags: { [TAGS.createdBy]: "runctl", [TAGS.project]: "digits" } }],
    ["(a) unreadable tags", "ownership-unknown", { tags: undefined }],
    ["(a) a copied tag", "not-in-ledger", { known: "unknown" }],
    ["(b) P-28 protected tag", "protected", tags({ [TAGS.protected]: "true" })],
    ["(b) P-28 important tag", "protected", tags({ [TAGS.important]: "true" })],
    ["(b) P-28 persistent tag", "protected", tags({ [TAGS.persistent]: "true" })],
    ["(b) P-28 protect() here", "protected", { protectedHere: true }],
    ["(b) P-28 protections unreadable", "protection-unknown", { protectedHere: "unknown" }],
    ["(b) P-28 tags unreadable", "protection-unknown", { tags: undefined }],
    ["(b) P-28 empty value", "protection-malformed", tags({ [TAGS.protected]: "" })],
    ["(b) P-28 yes", "protection-malformed", tags({ [TAGS.protected]: "yes" })],
    ["(b) P-28 a date", "protection-malformed", tags({ [TAGS.protected]: "2026-13-45" })],
    ["(b) P-28 False in capitals", "protection-malformed", tags({ [TAGS.protected]: "False" })],
    ["(b) P-28 another case", "protected", tags({ "Runctl:Protected": "true" })],
    ["(b) P-28 a blank, and false does not count there", "protection-malformed", tags({ " runctl:protected": "false" })],
    ["(j) another account", "account-changed", { account: { pinned: "acct-1", actual: "acct-2" } }],
    ["(j) unreadable account", "account-unknown", { account: { pinned: "acct-1" } }],
    ["(j) no pin", "account-unpinned", { account: { actual: "acct-1" } }],
  ])("%s is kept, force or not, explicit or swept", (_name, id, over) => {
    for (const purpose of ["sweep", "explicit"] as const) {
      expect(ids(over, {}, purpose)).toContain(id);
      expect(ids(over, { force: true }, purpose)).toContain(id);
    }
  });

  it("P-28: false, spelt exactly, is no protection", () => {
    expect(ids(tags({ [TAGS.protected]: "false", [TAGS.important]: "false" }))).toEqual([]);
  });

  it.each<[string, string, Partial<CleanupFacts>]>([
    ["younger than five minutes", "too-young", { createdAt: ago(5 * MINUTE - 1) }],
    ["of unknown age", "age-unknown", { createdAt: undefined }],
    ["of unreadable age", "age-unknown", { createdAt: "soon" }],
    ["from the future", "age-unknown", { createdAt: ago(-1) }],
    ["used by a live run", "run-active", { driver: { runId: "r1", active: true, why: "" } }],
    ["perhaps used by a run", "run-unknown", { driver: { runId: "r1", active: "unknown", why: "" } }],
    ["(g) busy", "busy", { activity: { active: true, why: "" } }],
    ["(g) perhaps busy", "activity-unknown", { activity: { active: "unknown", why: "" } }],
  ])("S-15: %s is kept, and only force overrides", (_name, id, over) => {
    for (const purpose of ["sweep", "explicit"] as const) {
      expect(ids(over, {}, purpose)).toEqual([id]);
      expect(ids(over, { force: true }, purpose)).toEqual([]);
    }
  });

  it("the minimum age is five minutes to the millisecond, and a rule", () => {
    expect(ids({ createdAt: ago(5 * MINUTE) })).toEqual([]);
    expect(ids({ createdAt: ago(5 * MINUTE) }, { minAge: "6m" })).toEqual(["too-young"]);
  });

  it("a stopped machine does not work, whatever its readings", () => {
    expect(ids({ state: "stopped", activity: { active: "unknown", why: "" } })).toEqual([]);
  });

  it("(f) data never goes with compute, nor compute with data", () => {
    const volume = { ref: { provider: "mem", kind: "volume", id: "v" } };
    expect(ids(volume)).toEqual(["holds-data"]);
    expect(ids(volume, { force: true })).toEqual(["holds-data"]);
    expect(ids({ ref: { provider: "mem", kind: "something-new", id: "v" } })).toEqual(["holds-data"]);
    expect(ids(volume, { what: "data" })).toEqual([]);
    expect(ids({}, { what: "data" })).toEqual(["is-compute"]);
    expect(ids({ ...volume, neededBy: ["mem/machine/m"] }, { what: "data" })).toEqual(["in-use"]);
  });

  it("leaves a machine without a run alone for a day, or until its own end", () => {
    const alone = { driver: { active: false as const, why: "" } };
    const day = 24 * 60 * MINUTE;
    expect(ids({ ...alone, createdAt: ago(day - 1) })).toEqual(["standalone"]);
    expect(ids({ ...alone, createdAt: ago(day) })).toEqual([]);
    expect(ids({ ...alone, createdAt: ago(day) }, { zombieAge: "25h" })).toEqual(["standalone"]);
    expect(ids({ ...alone, endBy: ago(1) })).toEqual([]);
    expect(ids({ ...alone, endBy: ago(-1) })).toEqual(["standalone"]);
    expect(ids({ ...alone, endBy: "never" })).toEqual(["standalone"]);
    expect(ids({ ...alone, failedCreate: true })).toEqual([]);
    expect(ids(alone, {}, "explicit")).toEqual([]);
  });

  it("finishes an own deletion of something no longer listed, but only in the right account", () => {
    const vanished = { absent: true, deleting: true, tags: undefined, createdAt: undefined, state: undefined };
    expect(ids(vanished)).toEqual([]);
    expect(ids({ ...vanished, account: { pinned: "a", actual: "b" } })).toEqual(["account-changed"]);
    expect(ids({ ...vanished, deleting: false })).toContain("protection-unknown");
  });

  it("a thing under deletion that was protected meanwhile is kept", () => {
    expect(ids({ deleting: true, ...tags({ [TAGS.protected]: "true" }) })).toEqual(["protected"]);
  });

  it("names every reason at once", () => {
    expect(ids({ ...tags({ [TAGS.protected]: "true" }), createdAt: ago(1), activity: { active: true, why: "" } })).toEqual([
      "protected",
      "too-young",
      "busy",
    ]);
  });
});

describe("nextStep", () => {
  const step = (over: Partial<CleanupFacts>, rules: CleanupRules = {}) => nextStep(facts(over), resolveRules(rules));
  it("(d) marks first and deletes after the grace, our failed creates at once", () => {
    expect(step({})).toBe("mark");
    expect(step(tags({ [TAGS.cleanupMarked]: ago(10 * MINUTE - 1) }))).toBe("mark");
    expect(step(tags({ [TAGS.cleanupMarked]: ago(10 * MINUTE) }))).toBe("delete");
    expect(step({ failedCreate: true })).toBe("delete");
    expect(step({ deleting: true })).toBe("finish");
    expect(step({}, { grace: 0 })).toBe("delete");
  });
  it("a mark that is unreadable, from the future or a week old is none", () => {
    for (const mark of ["true", "", ago(-MINUTE), ago(8 * 86_400_000)])
      expect(step(tags({ [TAGS.cleanupMarked]: mark })), mark).toBe("mark");
  });
});

describe("fingerprintOf", () => {
  it("changes with what was seen, not with our mark or the time", () => {
    const before = fingerprintOf(facts());
    expect(fingerprintOf(facts({ now: NOW + 1, ...tags({ [TAGS.cleanupMarked]: ago(0) }) }))).toBe(before);
    for (const over of [
      tags({ team: "x" }),
      { state: "stopped" as const },
      { createdAt: ago(1) },
      { account: { pinned: "acct-1", actual: "b" } },
      { driver: { runId: "r2", active: false, why: "" } },
      { tags: undefined },
    ]) {
      expect(fingerprintOf(facts(over))).not.toBe(before);
    }
  });
});

describe("resolveRules", () => {
  it("has the documented defaults and refuses nonsense", () => {
    expect(resolveRules({})).toEqual({
      minAgeMs: 300_000,
      zombieAgeMs: 86_400_000,
      graceMs: 600_000,
      planValidForMs: 600_000,
      maxCount: 20,
      maxShare: 0.5,
      maxHourlyValue: 50,
      confirmWithinMs: 300_000,
      what: "compute",
      force: false,
    });
    for (const wrong of [{ minAge: "soon" }, { maxCount: -1 }, { maxShare: 2 }, { what: "both" }, { minage: 1 }, { minAge: -1 }])
      expect(() => resolveRules(wrong as CleanupRules)).toThrow();
  });
});
