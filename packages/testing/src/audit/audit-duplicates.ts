import type { AuditFacts, MachineFacts } from "./facts.ts";
import { secondsBetween } from "./owners.ts";
import type { AuditReport } from "./report.ts";

/** Machines and volumes beyond what their intents asked for. The oldest of an intent is the one that was wanted. */
export function auditDuplicates(
  facts: Pick<AuditFacts, "machines" | "volumes" | "runs" | "stateId" | "now">,
): Pick<AuditReport, "duplicates" | "duplicateSeconds" | "duplicateVolumes"> {
  const surplus: MachineFacts[] = [];
  for (const [intentId, machines] of byIntent(facts.machines, facts.stateId)) {
    const nodes = facts.runs.map(({ state }) => state.intents[intentId]?.intent.nodes).find((count) => count !== undefined) ?? 1;
    surplus.push(...machines.sort((a, b) => a.createdAt - b.createdAt).slice(nodes));
  }
  const volumes = [...byIntent(facts.volumes, facts.stateId).values()];
  return {
    duplicates: surplus.length,
    duplicateSeconds: surplus.reduce((sum, machine) => sum + secondsBetween(machine.createdAt, machine.endedAt ?? facts.now), 0),
    duplicateVolumes: volumes.reduce((sum, same) => sum + same.length - 1, 0),
  };
}

function byIntent<T extends { intentId?: string | undefined; stateId?: string | undefined }>(
  things: readonly T[],
  stateId: string,
): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const thing of things) {
    if (thing.intentId === undefined || thing.stateId !== stateId) continue;
    groups.set(thing.intentId, [...(groups.get(thing.intentId) ?? []), thing]);
  }
  return groups;
}
