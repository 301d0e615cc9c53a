import { auditCheckpoints } from "./audit-checkpoints.ts";
import { auditDuplicates } from "./audit-duplicates.ts";
import { auditMoney } from "./audit-money.ts";
import { auditTrainings } from "./audit-trainings.ts";
import type { AuditFacts, MachineFacts } from "./facts.ts";
import { secondsBetween, wantedUntil } from "./owners.ts";
import type { AuditReport } from "./report.ts";

/** What an audit allows. */
export interface AuditLimits {
  /** How long a machine may outlive its owner, in milliseconds. Default 50 min: the guardian's 45 min until its first feed, and its polls. */
  guardMs?: number | undefined;
  /** Largest difference between ledger and invoice on observed intervals. Default 0.001. */
  tolerance?: number | undefined;
}

const GUARD_MS = 50 * 60_000;

/** Compares what the far side knows with what was promised. Pure. */
export function audit(facts: AuditFacts, limits: AuditLimits = {}): AuditReport {
  const guardMs = limits.guardMs ?? GUARD_MS;
  const bought = facts.machines.filter((machine) => machine.stateId === facts.stateId);
  const isKnown = (machine: MachineFacts): boolean => facts.runs.some(({ state }) => machine.id in state.machines);
  const ours = bought.filter((machine) => machine.isFindable || isKnown(machine));
  const leaks = ours.map((machine) => {
    const until = wantedUntil(machine, facts);
    const end = machine.endedAt ?? facts.now;
    return { machine, seconds: Number.isFinite(until) ? secondsBetween(until + guardMs, end) : 0, until };
  });
  return {
    leakedSeconds: leaks.reduce((sum, leak) => sum + leak.seconds, 0),
    ownerless: leaks.filter(({ machine, until }) => machine.endedAt === undefined && until <= facts.now).map(({ machine }) => machine.id),
    ...auditTrainings(facts),
    ...auditDuplicates(facts),
    unfindable: bought.length - ours.length,
    ...auditCheckpoints(facts),
    foreignTouched: foreignTouched(facts),
    money: auditMoney({ ...facts, machines: ours }, limits.tolerance ?? 0.001),
    machines: ours.length,
    machineSeconds: bought.reduce((sum, machine) => sum + secondsBetween(machine.createdAt, machine.endedAt ?? facts.now), 0),
  };
}

function foreignTouched(facts: AuditFacts): string[] {
  const things = [...facts.machines, ...facts.volumes];
  const foreign = new Map(things.filter((thing) => thing.stateId !== facts.stateId).map((thing) => [thing.id, thing]));
  const asked = facts.touches.filter((touch) => foreign.has(touch.target)).map((touch) => `${touch.op} ${touch.target}`);
  const changed = [...facts.foreignBefore]
    .filter(([id, before]) => {
      const now = foreign.get(id);
      return now === undefined || now.fingerprint !== before;
    })
    .map(([id]) => `changed ${id}`);
  return [...asked, ...changed];
}
