import {
  AuthenticationError,
  BudgetExceededError,
  ConfigurationError,
  ConflictError,
  HostUnreachableError,
  NoCapacityError,
  NotFoundError,
  PermissionError,
  QuotaError,
  ThrottledError,
  TimeoutError,
  UnsupportedCapabilityError,
  ValidationError,
} from "../errors/kinds.ts";
import type { RunctlError, RunctlErrorInit } from "../errors/runctl-error.ts";
import type { Notice } from "../provider/plan.ts";

type ErrorClass = new (init: RunctlErrorInit) => RunctlError;

const CLASSES: Readonly<Record<string, ErrorClass>> = {
  "machine-busy": ConflictError,
  "machine-not-found": NotFoundError,
  "unknown-provider": NotFoundError,
  "provider-options": ValidationError,
  "deadline-passed": ValidationError,
  "no-offer": NoCapacityError,
  "budget-unpriced": BudgetExceededError,
  "budget-too-small": BudgetExceededError,
  "project-budget": BudgetExceededError,
  "unsupported-capability": UnsupportedCapabilityError,
  "offers-authentication": AuthenticationError,
  "offers-permission": PermissionError,
  "offers-quota": QuotaError,
  "offers-throttled": ThrottledError,
  "offers-timeout": TimeoutError,
  "offers-host-unreachable": HostUnreachableError,
  "offers-unsupported-capability": UnsupportedCapabilityError,
  "offers-validation": ValidationError,
  "offers-failed": NoCapacityError,
};

/** The typed error that train() throws for a refusal of the plan; `context.refusal` is the refusal's id. */
export function refusalToError(notice: Notice): RunctlError {
  const Class = Object.hasOwn(CLASSES, notice.id) ? CLASSES[notice.id] : undefined;
  return new (Class ?? ConfigurationError)({ what: notice.what, why: notice.why, fix: notice.fix, context: { refusal: notice.id } });
}
