import { ValidationError } from "../errors/kinds.ts";

const POSIX_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const MAX_LABEL = 128;

/**
 * Names of environment variables, plain and secret: POSIX, not runctl's own, none in both.
 * @throws ValidationError that shows names only.
 */
export function checkVariableNames(env: Record<string, string>, secrets: Record<string, unknown>): void {
  for (const [field, names] of [
    ["env", Object.keys(env)],
    ["secrets", Object.keys(secrets)],
  ] as const) {
    for (const name of names) {
      const shown = JSON.stringify(name);
      if (!POSIX_NAME.test(name)) {
        throw new ValidationError({
          what: `${field} has the name ${shown}, which is no name for an environment variable.`,
          why: "Names consist of letters, digits and underscores, and do not begin with a digit.",
          fix: [`Rename it, for example to ${JSON.stringify(safeVariableName(name))}.`],
          context: { field, name },
        });
      }
      if (name.startsWith("RUNCTL_")) {
        throw new ValidationError({
          what: `${field} has the name ${shown}, but names that begin with RUNCTL_ are runctl's own.`,
          fix: ["Choose another name."],
          context: { field, name },
        });
      }
    }
  }
  const both = Object.keys(secrets).find((name) => Object.hasOwn(env, name));
  if (both !== undefined) {
    throw new ValidationError({
      what: `${JSON.stringify(both)} is both in env and in secrets.`,
      why: "A variable has one value.",
      fix: [`Remove it from env if it is secret: env is stored as it is.`],
      context: { field: "secrets", name: both },
    });
  }
}

function safeVariableName(name: string): string {
  const safe = name.toUpperCase().replace(/[^A-Z0-9_]+/g, "_");
  return /^[A-Z_]/.test(safe) ? safe : `_${safe}`;
}

/** Label keys have 1 to 128 characters and are not runctl's own tags. */
export function checkLabels(labels: Record<string, string>): void {
  for (const key of Object.keys(labels)) {
    if (key === "" || key.length > MAX_LABEL) {
      throw new ValidationError({
        what: `labels has a key of ${key.length} characters; keys have 1 to ${MAX_LABEL}.`,
        fix: ["Shorten it; values have room for 128 characters as well."],
        context: { field: "labels" },
      });
    }
    if (key.startsWith("runctl:") || key === "CreatedBy") {
      throw new ValidationError({
        what: `labels has the key ${JSON.stringify(key)}, which is one of runctl's own tags.`,
        fix: ["Choose another key."],
        context: { field: "labels", name: key },
      });
    }
  }
}
