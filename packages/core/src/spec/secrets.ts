import { readFile } from "node:fs/promises";
import { ConfigurationError, ValidationError } from "../errors/kinds.ts";
import { RunctlError } from "../errors/runctl-error.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";

/** What a process can be given in one variable on Linux, "NAME=" included (MAX_ARG_STRLEN). */
const MAX_BYTES = 131_071;

/** Values of secrets, or the names of those this process does not have. */
export interface SecretValues {
  values: Record<string, string>;
  /** Names, in the spec's order. Not empty: the run "needs-secrets". */
  missing: string[];
  /** Why, by missing name. Never a value. */
  reasons: Record<string, string>;
}

/** Where secrets come from; the defaults are this process's environment and files. */
export interface SecretPorts {
  resolveSecret?: ((ref: string) => Promise<string>) | undefined;
  env?: Readonly<Record<string, string | undefined>> | undefined;
  readText?: ((path: string) => Promise<string>) | undefined;
}

/**
 * Looks up every secret of a spec. One that cannot be had is reported as missing, so that another driver can supply it; one that
 * is there but cannot be a variable's value is an error.
 * @param literals Values given in the spec or to `attach`; they win over references.
 * @throws ValidationError naming the secret, never its value.
 */
export async function resolveSecrets(
  secrets: ResolvedSpec["secrets"],
  literals: Readonly<Record<string, string>>,
  ports: SecretPorts = {},
): Promise<SecretValues> {
  const found = await Promise.all(
    Object.entries(secrets).map(async ([name, source]) => ({
      name,
      outcome: Object.hasOwn(literals, name) ? { value: literals[name] } : await lookUp(name, source, ports),
    })),
  );
  const result: SecretValues = { values: {}, missing: [], reasons: {} };
  for (const { name, outcome } of found) {
    if (outcome.value !== undefined && outcome.value !== "") {
      checkValue(name, outcome.value);
      result.values[name] = outcome.value;
    } else {
      result.missing.push(name);
      result.reasons[name] = "why" in outcome ? outcome.why : "its value is empty";
    }
  }
  return result;
}

type Outcome = { value: string | undefined } | { value?: undefined; why: string };

async function lookUp(name: string, source: ResolvedSpec["secrets"][string], ports: SecretPorts): Promise<Outcome> {
  if ("literal" in source) return { why: "its value was given to another process and is stored nowhere" };
  if ("env" in source) {
    const value = (ports.env ?? process.env)[source.env];
    return value === undefined ? { why: `the environment variable ${source.env} is not set` } : { value };
  }
  if ("file" in source) return fromFile(name, source.file, ports.readText ?? ((path) => readFile(path, "utf8")));
  if (ports.resolveSecret === undefined) return { why: "it is a reference, and the Runctl object has no resolveSecret" };
  try {
    const value: unknown = await ports.resolveSecret(source.ref);
    if (typeof value === "string") return { value };
    return { why: `resolveSecret gave ${value === null ? "null" : `a value of type ${typeof value}`}, not text` };
  } catch (error) {
    // The message is somebody else's and might quote what it fetched: only its kind is told.
    return { why: `resolveSecret failed (${RunctlError.is(error) ? error.code : error instanceof Error ? error.name : typeof error})` };
  }
}

async function fromFile(name: string, path: string, readText: (path: string) => Promise<string>): Promise<Outcome> {
  try {
    return { value: (await readText(path)).replace(/\r?\n$/, "") };
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return { why: `the file ${path} does not exist` };
    throw new ConfigurationError({
      what: `The secret ${name} cannot be read from ${path}.`,
      why: code === undefined ? undefined : `Reading fails with ${code}.`,
      fix: [code === "EISDIR" ? "Name a file, not a folder." : "Check the file's permissions."],
      context: { field: `secrets.${name}`, path },
    });
  }
}

function checkValue(name: string, value: string): void {
  const problem = value.includes("\0")
    ? "contains a NUL character"
    : Buffer.byteLength(value) + name.length + 1 > MAX_BYTES
      ? "is longer than 128 KiB"
      : undefined;
  if (problem === undefined) return;
  throw new ValidationError({
    what: `The value of the secret ${name} ${problem}.`,
    why: "An environment variable cannot hold it.",
    fix: ["Check where it comes from; keep binary secrets in base64, large ones in a file of their own."],
    context: { field: `secrets.${name}` },
  });
}
