import type { CloudErrors } from "./cloud-errors.ts";
import type { CloudMachine } from "./cloud-machine.ts";
import type { CloudTime } from "./cloud-time.ts";

const KEPT_MS = 24 * 3_600_000;

interface Known {
  request: string;
  machines: CloudMachine[];
}

/** Idempotency tokens: the same request again gets the same machines, another one under the same token is refused. Kept 24 h after the machines ended. */
export class Tokens {
  readonly #known = new Map<string, Known>();
  readonly #time: CloudTime;
  readonly #errors: CloudErrors;

  constructor(time: CloudTime, errors: CloudErrors) {
    this.#time = time;
    this.#errors = errors;
  }

  /** What the token bought before. @throws ConflictError when it was for another request. */
  known(token: string, request: string): CloudMachine[] | undefined {
    this.#forget();
    const known = this.#known.get(token);
    if (known === undefined) return undefined;
    if (known.request === request) return known.machines;
    throw this.#errors.conflict(
      "IdempotentParameterMismatch",
      "The client token you have provided was used before with other parameters: an idempotent retry has to be the same request.",
    );
  }

  remember(token: string, request: string, machines: CloudMachine[]): void {
    this.#known.set(token, { request, machines });
  }

  /** The oldest go first, and only from the front: a purchase that lives long holds back what is behind it, which costs memory only. */
  #forget(): void {
    const before = this.#time.now() - KEPT_MS;
    for (const [token, { machines }] of this.#known) {
      if (machines.some((machine) => (machine.endedAt ?? Number.POSITIVE_INFINITY) > before)) return;
      this.#known.delete(token);
    }
  }
}
