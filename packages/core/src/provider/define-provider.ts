import { ConfigurationError } from "../errors/kinds.ts";
import type { TrainingProvider } from "./provider.ts";

const REQUIRED = ["offers", "create", "find", "terminate", "remove", "costs", "identity"] as const;

/**
 * Checks a provider's shape when it is defined, so that a misspelt method fails at start and not in the middle of a purchase.
 * @throws ConfigurationError naming what is missing.
 */
export function defineProvider<P extends TrainingProvider>(provider: P): P {
  const missing = REQUIRED.filter((method) => typeof (provider as Record<string, unknown>)[method] !== "function").map(
    (method) => `${method}()`,
  );
  if (provider.specVersion !== "v1") missing.push('specVersion: "v1"');
  if (typeof provider.name !== "string" || !/^[a-z][a-z0-9-]{0,31}$/.test(provider.name))
    missing.push("name (lower-case letters, digits, dashes)");
  if (typeof provider.capabilities !== "object" || provider.capabilities === null) missing.push("capabilities");
  else if (provider.capabilities.boot === "session" && typeof provider.connect !== "function")
    missing.push('connect() (boot is "session")');
  if (missing.length > 0) {
    throw new ConfigurationError({
      what: `The provider ${JSON.stringify(provider.name)} lacks ${missing.join(", ")}.`,
      why: "runctl calls these while machines are being paid for, so they are checked first.",
      fix: ["Add what is missing; docs/guides/writing-a-provider.md describes each."],
      context: { missing },
    });
  }
  return provider;
}
