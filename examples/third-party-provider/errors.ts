import {
  AmbiguousOutcomeError,
  AuthenticationError,
  ConflictError,
  HostUnreachableError,
  NoCapacityError,
  NotFoundError,
  PermissionError,
  QuotaError,
  type RunctlError,
  ThrottledError,
  TimeoutError,
  ValidationError,
} from "@runctl/core/provider";

/** No answer, or one that says nothing of the effect: of a purchase the outcome is unknown, everything else may be repeated. */
export function unknown(buys: boolean, what: string, cause: unknown): RunctlError {
  return buys ? new AmbiguousOutcomeError({ what, provider: "tiny", cause }) : new TimeoutError({ what, provider: "tiny", cause });
}

/** The service's refusals in runctl's words. */
export function refusal(
  response: Response,
  { message = "", permission }: { message?: string; permission?: string },
  buys: boolean,
): RunctlError {
  const init = {
    what: `The tiny cloud answered ${response.status}: ${message}`,
    provider: "tiny",
    context: { status: response.status, message },
  };
  switch (response.status) {
    case 401:
      return new AuthenticationError(init);
    case 402:
      return new QuotaError(init);
    case 403:
      return new PermissionError({ ...init, context: { permission: permission ?? "unknown" } });
    case 404:
    case 410:
      return new NotFoundError(init);
    case 409:
      return new ConflictError(init);
    case 422:
      return new ValidationError(init);
    case 429: {
      const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
      return new ThrottledError({ ...init, ...(Number.isFinite(seconds) ? { retryAfterMs: seconds * 1_000 } : {}) });
    }
    case 507:
      return new NoCapacityError(init);
    default:
      return unknown(buys, init.what, { status: response.status, message });
  }
}

export function unreachable(id: string, reason = "it does not answer"): HostUnreachableError {
  return new HostUnreachableError({ what: `The machine ${id} cannot be reached: ${reason}.`, provider: "tiny" });
}
