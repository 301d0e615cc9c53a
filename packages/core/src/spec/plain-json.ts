import { ValidationError } from "../errors/kinds.ts";
import { fieldPath } from "./zod-issues.ts";

/** One argument or variable of a new process on Linux (MAX_ARG_STRLEN, 128 KiB with the closing NUL). */
const MAX_TEXT_BYTES = 131_071;
const MAX_DEPTH = 32;

/**
 * Refuses what cannot be stored as JSON and brought to a process unchanged: NUL, lone surrogates, texts over 128 KiB, functions,
 * cycles, NaN. Runs before the schema, over the whole value; never shows one, because it may be a secret.
 * @throws ValidationError naming the field.
 */
export function checkPlainJson(value: unknown, what: string): void {
  walk(value, [], new Set(), what);
}

function walk(value: unknown, path: readonly PropertyKey[], above: Set<object>, what: string): void {
  const field = path.length === 0 ? what : fieldPath(path);
  if (typeof value === "string") checkText(value, field, field);
  // Infinity is a wish that only some numbers may have: the schema knows which.
  else if (typeof value === "number" && Number.isNaN(value))
    throw refuse(field, `${field} is NaN, which is no number to go by.`, "Check how it is computed.");
  else if (typeof value === "function" || typeof value === "symbol" || typeof value === "bigint") {
    throw refuse(
      field,
      `${field} is a ${typeof value}, which JSON cannot hold.`,
      "Use text, a number, true, false, an array or a plain object.",
    );
  } else if (typeof value === "object" && value !== null && !(value instanceof Date)) {
    if (above.has(value)) throw refuse(field, `${field} contains itself.`, "Build the spec from plain values.");
    if (path.length >= MAX_DEPTH) throw refuse(field, `${field} is nested more than ${MAX_DEPTH} levels deep.`, "Flatten it.");
    const prototype: unknown = Object.getPrototypeOf(value);
    if (!Array.isArray(value) && prototype !== null && Object.getPrototypeOf(prototype) !== null) {
      throw refuse(field, `${field} is an instance of a class, which JSON cannot hold.`, "Use a plain object.");
    }
    above.add(value);
    for (const [key, item] of Object.entries(value)) {
      if (!Array.isArray(value)) checkText(key, field, `A key of ${field}`);
      if (key === "__proto__")
        throw refuse(field, `${field} has the key "__proto__", which JavaScript objects do not carry like others.`, "Choose another name.");
      walk(item, [...path, Array.isArray(value) ? Number(key) : key], above, what);
    }
    above.delete(value);
  }
}

function checkText(text: string, field: string, subject: string): void {
  if (text.includes("\0"))
    throw refuse(field, `${subject} contains a NUL character.`, "Remove it: paths, arguments and variables end at a NUL.");
  if (/\p{Surrogate}/u.test(text))
    throw refuse(field, `${subject} contains half a character (a lone surrogate).`, "Check how the text was cut.");
  if (text.length > MAX_TEXT_BYTES / 4 && Buffer.byteLength(text) > MAX_TEXT_BYTES) {
    throw refuse(
      field,
      `${subject} is longer than 128 KiB, the most a process can be given in one piece.`,
      "Put it into a file of the project or an input.",
    );
  }
}

function refuse(field: string, what: string, fix: string): ValidationError {
  return new ValidationError({ what, fix: [fix], context: { field } });
}
