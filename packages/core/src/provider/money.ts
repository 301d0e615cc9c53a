/** An amount in a currency. Summed inside as integer micro-units, so that a thousand small intervals do not drift. */
export interface Money {
  amount: number;
  /** ISO 4217, "USD" unless a provider bills otherwise. */
  currency: string;
}
