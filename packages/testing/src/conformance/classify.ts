import type { Capabilities } from "@runctl/core/provider";
import type { CaseResult, ProviderClass } from "./report.ts";

/** What must hold for "at most one machine for an intent, and it is found by its tags". The first ones need no hook. */
const FOR_A = [
  "lifecycle-create-twice",
  "lifecycle-tags",
  "lifecycle-duplicates-found",
  "two-clients-create",
  "lifecycle-create-changed",
  "ambiguity-reply-lost",
  "crash-create",
  "crash-tags",
  "listing-lag",
];
const A_NEEDS = ["lifecycle-create-twice", "lifecycle-tags", "lifecycle-duplicates-found"];
/** What must hold for "whatever an intent made is found by the intent". */
const FOR_B = ["lifecycle-duplicates-found", "listing-queries", "ambiguity-reply-lost", "crash-create", "listing-lag"];
const B_NEEDS = ["lifecycle-duplicates-found"];

const POLL_MS = 10_000;

/** The class that the finished cases prove, never better than what is declared, and what remains at risk in it. */
export function classify(capabilities: Capabilities, cases: readonly CaseResult[], measures: ReadonlyMap<string, number>): ProviderClass {
  const status = new Map(cases.map((one) => [one.id, one.status]));
  const of = (ids: string[], ...wanted: string[]): string[] => ids.filter((id) => wanted.includes(status.get(id) ?? "skipped"));
  const holds = (all: string[], needed: string[]): boolean =>
    of(all, "failed", "excused").length === 0 && of(needed, "passed").length === needed.length;
  const declared = declaredClass(capabilities);
  const reached = declared === "A" && holds(FOR_A, A_NEEDS) ? "A" : declared !== "C" && holds(FOR_B, B_NEEDS) ? "B" : "C";
  const rests = reached === "A" ? FOR_A : reached === "B" ? FOR_B : [];
  return {
    class: reached,
    declared,
    proven: of(rests, "passed"),
    assumed: of(rests, "not-provable", "skipped"),
    against: of([...new Set([...FOR_A, ...FOR_B])], "failed", "excused"),
    exposure: exposure(reached, capabilities, measures.get("reachableAfterMs")),
  };
}

function declaredClass({ identity, tagsAtCreate }: Capabilities): ProviderClass["class"] {
  if (identity === "token" && tagsAtCreate) return "A";
  return identity !== "none" || tagsAtCreate ? "B" : "C";
}

function exposure(
  reached: ProviderClass["class"],
  capabilities: Capabilities,
  reachableAfterMs: number | undefined,
): ProviderClass["exposure"] {
  const guarded = capabilities.guard !== "none";
  const unarmedMs = capabilities.boot === "session" && reachableAfterMs !== undefined ? { unarmedMs: Math.round(reachableAfterMs) } : {};
  const seconds = (ms: number): string => `${Math.round(ms / 100) / 10} s`;
  const gap =
    unarmedMs.unarmedMs === undefined
      ? ""
      : ` The guard is armed once the machine can be reached, here ${seconds(unarmedMs.unarmedMs)} after create; until then nothing on the machine ends it.`;
  const unguarded = guarded ? "" : " Nothing ends a machine that nobody feeds: without a controller it costs until somebody ends it.";
  if (reached === "A") return { kind: "none", guarded, ...unarmedMs, text: `A lost answer buys nothing twice.${gap}${unguarded}` };
  if (reached === "B") {
    const unseenMs = (capabilities.settleMs ?? 60_000) + 2 * (capabilities.pollMs ?? POLL_MS);
    return {
      kind: "duplicate",
      guarded,
      unseenMs,
      ...unarmedMs,
      text: `A lost answer may leave a machine, and a repeat a second one, for up to ${seconds(unseenMs)}: then they are listed, the oldest is kept and the others are ended.${gap}${unguarded}`,
    };
  }
  return {
    kind: "ttl",
    guarded,
    ...unarmedMs,
    text: `A machine whose create call got no answer cannot be found. ${guarded ? "Only the guard on the machine ends it: 45 min after boot when nobody feeds it, at its hard limit otherwise." : "Nothing ends it: neither a listing nor a guard."}${gap}`,
  };
}
