import type { TrainingProvider } from "@runctl/core/provider";
import { CannotSay, type Need } from "./case.ts";
import type { ConformanceHooks } from "./hooks.ts";

/** What the needs of a case are held against. */
export interface Means {
  provider: TrainingProvider;
  hooks: ConformanceHooks;
  hasSecondClient: boolean;
  hasRecording: boolean;
}

/** The first need that is not met, as the reason why the case says nothing; undefined when it can run. "real-host" shows only on the machine. */
export function unmet(needs: readonly Need[], means: Means): CannotSay | undefined {
  for (const need of needs) {
    const missing = lacks(need, means);
    if (missing !== undefined) return missing;
  }
  return undefined;
}

function lacks(need: Need, { provider, hooks, hasSecondClient, hasRecording }: Means): CannotSay | undefined {
  const [kind, name = ""] = need.split(":") as [string, string?];
  if (kind === "capability") return hasCapability(name, provider) ? undefined : new CannotSay("not-applicable", describe(name));
  if (kind === "method") {
    const there = name === "snapshots" ? provider.volumes?.snapshot !== undefined : provider[name as "stop"] !== undefined;
    return there ? undefined : new CannotSay("not-applicable", `the provider has no ${name}`);
  }
  if (kind === "fault") return hooks.faults?.[name as "lost"] === undefined ? missingHook(`faults.${name}`) : undefined;
  if (kind === "hook") return hooks[name as "foreign"] === undefined ? missingHook(name) : undefined;
  if (need === "second-client" && !hasSecondClient) return missingHook("again (a second client of the same far side)");
  if (need === "recording" && !hasRecording) return new CannotSay("not-provable", "option recording is missing");
  return undefined;
}

/** The reason for a case whose hook was not given. */
function missingHook(name: string): CannotSay {
  return new CannotSay("not-provable", `hook ${name} is missing`);
}

function hasCapability(name: string, { capabilities, volumes }: TrainingProvider): boolean {
  switch (name) {
    case "token":
      return capabilities.identity === "token";
    case "findable":
      return capabilities.identity !== "none" || capabilities.tagsAtCreate;
    case "notice":
      return capabilities.noticeSeconds !== undefined && capabilities.noticeSeconds > 0;
    case "guard":
      // A shared host is never switched off: its guardian ends processes, which the engine's own tests show.
      return capabilities.guard !== "none" && capabilities.sharedHost !== true;
    case "no-gang":
      return !capabilities.gang;
    case "no-volumes":
      return volumes === undefined;
    default:
      return capabilities[name as "spot"] === true;
  }
}

function describe(name: string): string {
  const declared: Record<string, string> = {
    "no-gang": "gang is declared, so several nodes are allowed",
    "no-volumes": "the provider has volumes, so an intent may have them",
  };
  const missing: Record<string, string> = {
    token: 'identity "token"',
    findable: 'identity "token" or "name", or tagsAtCreate',
    notice: "noticeSeconds",
    guard: "a guard that ends the machine",
  };
  return declared[name] ?? `not declared: ${missing[name] ?? name}`;
}
