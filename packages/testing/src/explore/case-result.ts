import type { AuditReport, BrokenPromise } from "../audit/report.ts";
import type { ExplorerCase } from "./case-id.ts";
import type { TracePoint } from "./enumerate.ts";

/** What became of one case. */
export interface CaseResult {
  /** Replays it: `replayCase(id)`. */
  id: string;
  /** Empty when every promise was kept. */
  broken: BrokenPromise[];
  /** Absent when the world got stuck before it could be audited. */
  audit?: AuditReport | undefined;
  /** World's time from the successor's start until its first reconcile was through; absent without a successor. */
  convergeMs?: number | undefined;
  /** Port calls of each process of the program, in the order of their starts; only where a trace was asked for. */
  traces: TracePoint[][];
  /** How far each process got in port calls. */
  calls: number[];
}

/** Runs one case from its beginning in a world of its own. */
export type RunCase = (what: ExplorerCase, options?: { trace?: boolean | undefined }) => Promise<CaseResult>;
