import { costOfAll, type ResourceRecord } from "@runctl/core/seams";
import type { AuditFacts } from "./facts.ts";
import type { MoneyAudit } from "./report.ts";

/** A ledger is kept in micro-dollars: below this nothing can be told apart. */
const SMALLEST_USD = 2e-6;

/** The ledger against the invoice, machine by machine. */
export function auditMoney(
  facts: Pick<AuditFacts, "machines" | "ledger" | "ledgerSince" | "stateId" | "now">,
  tolerance: number,
): MoneyAudit {
  const report: MoneyAudit = { invoiceUsd: 0, ledgerUsd: 0, worstObservedShare: 0, wrong: [], unledgered: [], incomplete: [] };
  for (const machine of facts.machines) {
    if (machine.stateId !== facts.stateId) continue;
    report.invoiceUsd += machine.billedUsd;
    const records = facts.ledger.filter((record) => record.id === machine.id);
    if (records.length === 0) {
      // A machine that was never billed owes no entry, and what was over before the ledger was lost is lost with it.
      if (machine.billedUsd > SMALLEST_USD && (machine.endedAt ?? facts.now) >= (facts.ledgerSince ?? 0))
        report.unledgered.push(machine.id);
      continue;
    }
    const known = costOfAll(records, { now: facts.now });
    report.ledgerUsd += known.known.amount;
    if (!known.complete || !isObserved(records)) {
      report.incomplete.push(machine.id);
      continue;
    }
    const difference = Math.abs(known.known.amount - machine.billedUsd);
    const share = difference <= SMALLEST_USD ? 0 : difference / Math.max(machine.billedUsd, SMALLEST_USD);
    report.worstObservedShare = Math.max(report.worstObservedShare, share);
    if (share > tolerance) report.wrong.push(`${machine.id}: ledger ${known.known.amount}, invoice ${machine.billedUsd}`);
  }
  return report;
}

/** Both ends of every stretch were seen, or are the provider's own record. */
function isObserved(records: readonly ResourceRecord[]): boolean {
  return records.every((record) => record.segments.every((segment) => segment.evidence !== "inferred"));
}
