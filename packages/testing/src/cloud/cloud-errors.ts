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
  type RunctlErrorInit,
  ThrottledError,
  TimeoutError,
  UnsupportedCapabilityError,
  ValidationError,
} from "@runctl/core/provider";

/** What the cloud refuses, in the wording of real clouds (mostly EC2's), already as errors of core. Never a secret in any of them. */
export class CloudErrors {
  readonly #provider: string;

  constructor(provider: string) {
    this.#provider = provider;
  }

  invalid(code: string, what: string): ValidationError {
    return new ValidationError(this.#init(code, what));
  }

  conflict(code: string, what: string): ConflictError {
    return new ConflictError(this.#init(code, what));
  }

  notFound(code: string, what: string): NotFoundError {
    return new NotFoundError(this.#init(code, what));
  }

  unsupported(code: string, what: string): UnsupportedCapabilityError {
    return new UnsupportedCapabilityError(this.#init(code, what));
  }

  quota(what: string): QuotaError {
    return new QuotaError(this.#init("VcpuLimitExceeded", what));
  }

  noCapacity(type: string, zone: string): NoCapacityError {
    const what = `We currently do not have sufficient ${type} capacity in the Availability Zone you requested (${zone}).`;
    return new NoCapacityError(this.#init("InsufficientInstanceCapacity", what));
  }

  throttled(retryAfterMs?: number | undefined): ThrottledError {
    return new ThrottledError({ ...this.#init("RequestLimitExceeded", "Request limit exceeded."), retryAfterMs });
  }

  notAuthenticated(expired: boolean): AuthenticationError {
    return new AuthenticationError(
      expired
        ? this.#init("ExpiredToken", "The security token included in the request is expired.")
        : this.#init("AuthFailure", "The cloud was not able to validate the provided access credentials."),
    );
  }

  notAllowed(op: string, account: string): PermissionError {
    return new PermissionError({
      ...this.#init("UnauthorizedOperation", `You are not authorized to perform this operation: ${op} in account ${account}.`),
      fix: [`Allow ${op} for these credentials.`],
      context: { code: "UnauthorizedOperation", permission: op },
    });
  }

  /** No answer, or one that says nothing about the effect: for a purchase the outcome is unknown, for the rest it may be repeated. */
  unknown(buys: boolean, code: string, what: string): RunctlError {
    const init = this.#init(code, what);
    return buys ? new AmbiguousOutcomeError(init) : new TimeoutError(init);
  }

  unreachable(machine: string, why: string): HostUnreachableError {
    return new HostUnreachableError(this.#init("HostUnreachable", `${machine} does not answer: ${why}.`));
  }

  #init(code: string, what: string): RunctlErrorInit {
    return { what, provider: this.#provider, context: { code } };
  }
}
