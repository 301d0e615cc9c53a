import { RunctlError } from "../errors/runctl-error.ts";
import type { FailureRecord } from "./log-events.ts";

/** An error as plain data for the log. Errors that are not ours are named by class only: their text may quote a secret. */
export function failureRecord(error: unknown): FailureRecord {
  if (RunctlError.is(error)) return { code: error.code, what: error.what, why: error.why, fix: error.fix };
  const name = error instanceof Error ? error.name : typeof error;
  return {
    code: "RUNCTL_STORAGE",
    what: `An unexpected ${name} was thrown.`,
    why: "This is most likely a fault of runctl or of a provider package.",
    fix: [],
  };
}

/** An error for a logger: as `failureRecord`, with the system's code (ECONNRESET) where there is one. */
export function errorText(error: unknown): string {
  if (RunctlError.is(error)) return `${error.code}: ${error.what}`;
  const name = error instanceof Error ? error.name : typeof error;
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? ` (${error.code})` : "";
  return `${name}${code}`;
}
