import type { JsonObject } from "../util/json.ts";

const BRAND = Symbol.for("runctl.error");

/** What an error is made of. */
export interface RunctlErrorInit {
  /** What went wrong: one sentence, naming field, value and type where there is one. */
  what: string;
  /** Why it matters or how it came about. */
  why?: string | undefined;
  /** What the user can do, most likely cure first. */
  fix?: string[] | undefined;
  retryable?: boolean | undefined;
  /** How long the other side asked us to wait, in milliseconds. */
  retryAfterMs?: number | undefined;
  provider?: string | undefined;
  /** Facts for programs. Never a secret. */
  context?: JsonObject | undefined;
  cause?: unknown;
}

/** The stable kinds, in the order of api.md §7. The code is "RUNCTL_" + the kind in capitals. */
export type ErrorKind =
  | "configuration"
  | "validation"
  | "authentication"
  | "permission"
  | "quota"
  | "no-capacity"
  | "throttled"
  | "not-found"
  | "already-exists"
  | "conflict"
  | "ambiguous-outcome"
  | "timeout"
  | "aborted"
  | "unsupported-capability"
  | "budget-exceeded"
  | "host-unreachable"
  | "sync"
  | "checkpoint-invalid"
  | "storage"
  | "cleanup-refused"
  | "run-failed";

/**
 * The base of every error runctl throws. `code` is stable; `message` is for people.
 * `RunctlError.is(e)` works across duplicate copies of the package, `instanceof` does not.
 */
export class RunctlError extends Error {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly what: string;
  readonly why: string;
  readonly fix: string[];
  readonly retryable: boolean;
  readonly retryAfterMs?: number | undefined;
  readonly provider?: string | undefined;
  readonly context: JsonObject;

  constructor(kind: ErrorKind, init: RunctlErrorInit) {
    const fix = init.fix ?? [];
    super(
      [init.what, init.why, ...fix.map((line) => `Fix: ${line}`)].filter((line) => line !== undefined && line !== "").join("\n"),
      init.cause === undefined ? undefined : { cause: init.cause },
    );
    this.name = new.target.name;
    this.kind = kind;
    this.code = `RUNCTL_${kind.toUpperCase().replaceAll("-", "_")}`;
    this.what = init.what;
    this.why = init.why ?? "";
    this.fix = fix;
    this.retryable = init.retryable ?? false;
    this.retryAfterMs = init.retryAfterMs;
    this.provider = init.provider;
    this.context = init.context ?? {};
    Object.defineProperty(this, BRAND, { value: kind });
  }

  /** True for any runctl error, also one thrown by another copy of the package. */
  static is(error: unknown): error is RunctlError {
    return errorKind(error) !== undefined;
  }

  /** Plain data for logs and the state store. */
  toJSON(): { code: string; what: string; why: string; fix: string[]; context: JsonObject } {
    return { code: this.code, what: this.what, why: this.why, fix: this.fix, context: this.context };
  }
}

/** The kind of a runctl error, whichever copy of the package made it; undefined for anything else. */
export function errorKind(error: unknown): ErrorKind | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  return (error as { [BRAND]?: ErrorKind })[BRAND];
}
