import { type Clock, type Random, ValidationError } from "@runctl/core/provider";
import { z } from "zod";

/** Options of `local()`. Every one has a default. */
export interface LocalOptions {
  /** The provider's name, for two of them side by side. Default "local". */
  name?: string | undefined;
  /**
   * Folder that holds the machines. Default: `$RUNCTL_LOCAL_HOME`, else `$XDG_STATE_HOME/runctl`, else `~/.local/state/runctl`.
   * Made with mode 0700 when the first machine is created.
   */
  home?: string | undefined;
  /** What an hour of this computer is said to cost. Default: a declared 0. */
  pricePerHour?: number | undefined;
  /** ISO 4217. Default "USD". */
  currency?: string | undefined;
  /** Most machines that run at once in this home, counted when one is created (two processes at the same instant may pass it by one). Default: no limit. */
  maxMachines?: number | undefined;
  /**
   * Adds a pretend spot market, so that interruptions can be tried: `true` at `pricePerHour`, or at a price of its own. Nothing
   * interrupts by itself; `simulateInterruption` does. Default false.
   */
  spot?: boolean | { pricePerHour: number } | undefined;
  /** More environment for every command on the machine, beside the safe set taken over from this process. Never for secrets. */
  env?: Record<string, string> | undefined;
  /** Seam for tests. */
  clock?: Clock | undefined;
  /** Seam for tests. */
  random?: Random | undefined;
}

const price = z.number().finite().nonnegative();

const schema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be 1 to 32 lower-case letters, digits and dashes, e.g. "local"')
    .default("local"),
  home: z
    .string()
    .min(1)
    .refine((text) => !text.includes("\0"), "must not contain a zero byte")
    .optional(),
  pricePerHour: price.default(0),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code, e.g. "USD"')
    .default("USD"),
  maxMachines: z.number().int().positive().optional(),
  spot: z.union([z.boolean(), z.strictObject({ pricePerHour: price })]).default(false),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be a name of an environment variable"), z.string()).default({}),
});

/** Options after the edge. */
export type CheckedOptions = z.infer<typeof schema>;

/** Checks the options of `local()`. @throws ValidationError naming the field. */
export function checkOptions(options: LocalOptions): CheckedOptions {
  const { clock: _clock, random: _random, ...plain } = options;
  const parsed = schema.safeParse(plain);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${["local()", ...issue.path.map(String)].join(".")}: ${issue.message}`);
  throw new ValidationError({
    what: `The options of local() are wrong: ${problems.join("; ")}.`,
    fix: ['Correct them, e.g. local({ home: "/data/runctl", pricePerHour: 0.12 }).'],
    context: { problems },
  });
}
