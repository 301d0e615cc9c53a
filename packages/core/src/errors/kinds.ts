import { type ErrorKind, errorKind, RunctlError, type RunctlErrorInit } from "./runctl-error.ts";

/** Options, config file or environment do not fit together. */
export class ConfigurationError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("configuration", init);
  }
  static isInstance(error: unknown): error is ConfigurationError {
    return errorKind(error) === "configuration";
  }
}

/** A value from outside is wrong; `what` names the field, the value's type and an example. */
export class ValidationError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("validation", init);
  }
  static isInstance(error: unknown): error is ValidationError {
    return errorKind(error) === "validation";
  }
}

/** The provider does not know who we are: credentials missing, wrong or expired. */
export class AuthenticationError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("authentication", init);
  }
  static isInstance(error: unknown): error is AuthenticationError {
    return errorKind(error) === "authentication";
  }
}

/** The provider knows us and refuses the action. */
export class PermissionError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("permission", init);
  }
  static isInstance(error: unknown): error is PermissionError {
    return errorKind(error) === "permission";
  }
}

/** The account's limit for this resource is reached. */
export class QuotaError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("quota", init);
  }
  static isInstance(error: unknown): error is QuotaError {
    return errorKind(error) === "quota";
  }
}

/** The provider has no such machine to give now. */
export class NoCapacityError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("no-capacity", { retryable: true, ...init });
  }
  static isInstance(error: unknown): error is NoCapacityError {
    return errorKind(error) === "no-capacity";
  }
}

/** Too many requests; `retryAfterMs` when the other side said how long. */
export class ThrottledError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("throttled", { retryable: true, ...init });
  }
  static isInstance(error: unknown): error is ThrottledError {
    return errorKind(error) === "throttled";
  }
}

/** The named thing does not exist (any more). */
export class NotFoundError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("not-found", init);
  }
  static isInstance(error: unknown): error is NotFoundError {
    return errorKind(error) === "not-found";
  }
}

/** Something of that name exists already. */
export class AlreadyExistsError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("already-exists", init);
  }
  static isInstance(error: unknown): error is AlreadyExistsError {
    return errorKind(error) === "already-exists";
  }
}

/** Somebody else changed it first, or it is in use. */
export class ConflictError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("conflict", init);
  }
  static isInstance(error: unknown): error is ConflictError {
    return errorKind(error) === "conflict";
  }
}

/** The request may or may not have had its effect. Never treat this as failed. */
export class AmbiguousOutcomeError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("ambiguous-outcome", { retryable: true, ...init });
  }
  static isInstance(error: unknown): error is AmbiguousOutcomeError {
    return errorKind(error) === "ambiguous-outcome";
  }
}

/** Something did not happen within its limit. */
export class TimeoutError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("timeout", { retryable: true, ...init });
  }
  static isInstance(error: unknown): error is TimeoutError {
    return errorKind(error) === "timeout";
  }
}

/** This provider cannot do that at all. */
export class UnsupportedCapabilityError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("unsupported-capability", init);
  }
  static isInstance(error: unknown): error is UnsupportedCapabilityError {
    return errorKind(error) === "unsupported-capability";
  }
}

/** Going on would pass a budget. */
export class BudgetExceededError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("budget-exceeded", init);
  }
  static isInstance(error: unknown): error is BudgetExceededError {
    return errorKind(error) === "budget-exceeded";
  }
}

/** The training machine does not answer. It may well be alive. */
export class HostUnreachableError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("host-unreachable", { retryable: true, ...init });
  }
  static isInstance(error: unknown): error is HostUnreachableError {
    return errorKind(error) === "host-unreachable";
  }
}

/** Code or data could not be brought to where it belongs. */
export class SyncError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("sync", init);
  }
  static isInstance(error: unknown): error is SyncError {
    return errorKind(error) === "sync";
  }
}

/** A checkpoint is torn, foreign or not what its manifest says. */
export class CheckpointInvalidError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("checkpoint-invalid", init);
  }
  static isInstance(error: unknown): error is CheckpointInvalidError {
    return errorKind(error) === "checkpoint-invalid";
  }
}

/** An object store or the state store failed. */
export class StorageError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("storage", init);
  }
  static isInstance(error: unknown): error is StorageError {
    return errorKind(error) === "storage";
  }
}

/** Deleting is refused: protected, in use, too young, not ours, or the plan is stale. */
export class CleanupRefusedError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("cleanup-refused", init);
  }
  static isInstance(error: unknown): error is CleanupRefusedError {
    return errorKind(error) === "cleanup-refused";
  }
}

/** A run did not succeed; thrown by `RunResult.orThrow()` only. */
export class RunFailedError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("run-failed", init);
  }
  static isInstance(error: unknown): error is RunFailedError {
    return errorKind(error) === "run-failed";
  }
}

/**
 * Something was aborted. `cause` is the caller's own reason.
 * Public methods reject with the caller's reason itself; this class is for aborts without one.
 */
export class AbortedError extends RunctlError {
  constructor(init: RunctlErrorInit) {
    super("aborted", init);
  }
  static isInstance(error: unknown): error is AbortedError {
    return errorKind(error) === "aborted";
  }
}

/** The kinds for which trying again later can help without anything being changed. */
export const RETRYABLE_KINDS: readonly ErrorKind[] = ["no-capacity", "throttled", "ambiguous-outcome", "timeout", "host-unreachable"];
