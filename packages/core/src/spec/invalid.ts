import { ValidationError } from "../errors/kinds.ts";

/** What is wrong with one value from outside. */
export interface InvalidValue {
  /** Path of the field as the user wrote it: "resources.gpu", "inputs[0].to". */
  field: string;
  value: unknown;
  /** What the field takes: "a duration". Continues the words "must be". */
  expected: string;
  /** A value that would be right, as source text. */
  example: string;
  why?: string | undefined;
  /** Cures beyond the example, most likely first. */
  fix?: string[] | undefined;
  /** The value may be a secret: say its type only. */
  hideValue?: boolean | undefined;
}

/** The error for a wrong value: names field, value, type and an example. */
export function invalidValue(invalid: InvalidValue): ValidationError {
  const shown = invalid.hideValue === true ? typeName(invalid.value) : describeValue(invalid.value);
  return new ValidationError({
    what: `${invalid.field} must be ${invalid.expected}, but it is ${shown}.`,
    why: invalid.why,
    fix: [...(invalid.fix ?? []), `Write for example ${lastKey(invalid.field)}: ${invalid.example}`],
    context: { field: invalid.field, type: typeName(invalid.value) },
  });
}

/** A value with its type, short enough for one line of an error. */
export function describeValue(value: unknown): string {
  const type = typeName(value);
  if (value === undefined || value === null) return type;
  if (typeof value === "string") return `the string ${shorten(JSON.stringify(value))}`;
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return `the ${type} ${String(value)}`;
  return type === "object" || type === "array" ? `an ${type}` : `a ${type}`;
}

/** "array", "null", "date" and NaN told apart from what typeof says. */
export function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (value instanceof Date) return "date";
  return typeof value;
}

function shorten(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 60)}…" (${text.length} characters)`;
}

function lastKey(field: string): string {
  return (
    field
      .replace(/\[\d+\]$/, "")
      .split(".")
      .at(-1) ?? field
  );
}
