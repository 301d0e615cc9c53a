/** Keys below a run store's base URI. The layout is documented in docs/decisions/0004-run-store.md. */

/** `<storeUri>runs/<runId>/`. */
export function runUri(storeUri: string, runId: string): string {
  return `${storeUri}${runKey(runId)}`;
}

export function runKey(runId: string): string {
  return `runs/${runId}/`;
}

export function attemptKey(runId: string, attempt: number): string {
  return `${runKey(runId)}attempts/${attempt}/`;
}

const LOG_FOLDERS = { log: "log", "setup.log": "setup-log", "metrics.jsonl": "metrics" } as const;

/** Chunks are named by their first byte's offset, 16 digits. */
export function logKey(runId: string, attempt: number, which: "log" | "setup.log" | "metrics.jsonl"): string {
  return `${runKey(runId)}${LOG_FOLDERS[which]}/${attempt}/`;
}
