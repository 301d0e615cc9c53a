import type { CloudErrors } from "./cloud-errors.ts";

/** Limits of one account. Stopped machines count for none but `machines`. */
export interface QuotaOptions {
  /** Machines that have not ended. */
  machines?: number | undefined;
  /** CPUs on demand, in each region. */
  onDemandCpus?: number | undefined;
  /** CPUs on the spot market, in each region. */
  spotCpus?: number | undefined;
}

/** What an account holds against its limits: counted as it changes, never summed up. */
export class Quota {
  readonly #options: QuotaOptions;
  readonly #errors: CloudErrors;
  readonly #held = new Map<string, number>();

  constructor(options: QuotaOptions, errors: CloudErrors) {
    this.#options = options;
    this.#errors = errors;
  }

  /** @throws QuotaError when `machines` more of them, with so many CPUs together, would pass a limit. */
  check(account: string, region: string, market: string, more: { machines: number; cpus: number }): void {
    const { machines, onDemandCpus, spotCpus } = this.#options;
    if (machines !== undefined && this.#of(account) + more.machines > machines)
      throw this.#errors.quota(
        `You have requested more instances (${this.#of(account) + more.machines}) than your current instance limit of ${machines} allows.`,
      );
    const limit = market === "spot" ? spotCpus : onDemandCpus;
    if (limit === undefined || this.#of(`${account} ${region} ${market}`) + more.cpus <= limit) return;
    throw this.#errors.quota(
      market === "spot"
        ? `Max spot instance count exceeded: the limit for all spot instance requests is ${limit} vCPUs in ${region}.`
        : `You have requested more vCPU capacity than your current vCPU limit of ${limit} allows for the instance bucket that the specified instance type belongs to.`,
    );
  }

  /** A machine begins (1) or ends (-1) to exist. */
  countMachine(account: string, sign: 1 | -1): void {
    this.#add(account, sign);
  }

  /** Its CPUs begin (1) or end (-1) to be in use. */
  countCpus(account: string, region: string, market: string, cpus: number, sign: 1 | -1): void {
    this.#add(`${account} ${region} ${market}`, sign * cpus);
  }

  #of(key: string): number {
    return this.#held.get(key) ?? 0;
  }

  #add(key: string, by: number): void {
    this.#held.set(key, this.#of(key) + by);
  }
}
