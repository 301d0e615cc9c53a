import type { z } from "zod";
import { ValidationError } from "../errors/kinds.ts";
import { type FieldGuide, guideFor } from "./field-guide.ts";
import { invalidValue } from "./invalid.ts";

type Issue = z.core.$ZodIssue;

/** "inputs[0].to" of ["inputs", 0, "to"]. */
export function fieldPath(path: readonly PropertyKey[]): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (/^[A-Za-z_$][\w$]*$/.test(String(part))) text += text === "" ? String(part) : `.${String(part)}`;
    else text += `[${JSON.stringify(String(part))}]`;
  }
  return text;
}

/**
 * One ValidationError for all issues of a schema: the first in full, the others' fields in the context.
 * Values below `secrets` and `env` are never shown.
 */
export function validationError(
  issues: readonly Issue[],
  input: unknown,
  what = "The run spec",
  guides: (path: readonly PropertyKey[]) => FieldGuide | undefined = (path) => guideFor(path).guide,
): ValidationError {
  const errors = flattenIssues(issues).map(({ issue, path }) => oneError(issue, path, input, what, guides));
  const [first, ...others] = errors;
  if (first === undefined) return new ValidationError({ what: `${what} is wrong.` });
  if (others.length === 0) return first;
  return new ValidationError({
    what: first.what,
    why: [first.why, ...others.map((error) => `Also: ${error.what}`)].filter((line) => line !== "").join("\n"),
    fix: first.fix,
    context: { ...first.context, fields: errors.map((error) => error.context.field ?? "") },
  });
}

function oneError(
  issue: Issue,
  path: readonly PropertyKey[],
  input: unknown,
  what: string,
  guides: (path: readonly PropertyKey[]) => FieldGuide | undefined,
): ValidationError {
  const field = fieldPath(path);
  if (issue.code === "unrecognized_keys") {
    return new ValidationError({
      what: `${issue.message}${field === "" ? "" : ` (in ${field})`}`,
      why: "A misspelt key would be ignored silently, so it is refused.",
      fix: ["Correct the key or remove it."],
      context: { field: issue.keys.map((key) => fieldPath([...path, key])).join(", "), type: "unknown-key" },
    });
  }
  const guide = guides(path);
  return invalidValue({
    field: field === "" ? what : field,
    value: valueAt(input, path),
    expected: guide?.takes ?? "an object",
    example: guide?.example ?? '{ script: "train.py" }',
    hideValue: path[0] === "secrets" || path[0] === "env" || path[0] === "providerOptions",
  });
}

/** The issues that say something, each with its whole path. */
export function flattenIssues(issues: readonly Issue[]): Array<{ issue: Issue; path: readonly PropertyKey[] }> {
  return issues.flatMap((issue) => flatten(issue, []));
}

// A union's own issue says "no branch fits". Where one branch fits but for something inside it, that something is the news.
function flatten(issue: Issue, prefix: readonly PropertyKey[]): Array<{ issue: Issue; path: readonly PropertyKey[] }> {
  const path = [...prefix, ...issue.path];
  if (issue.code === "invalid_union") {
    const inside = issue.errors.filter(
      (branch) => branch.length > 0 && branch.every((inner) => inner.path.length > 0 || inner.code === "unrecognized_keys"),
    );
    const closest = inside.sort((a, b) => a.length - b.length)[0];
    if (closest !== undefined) return closest.flatMap((inner) => flatten(inner, path));
  }
  return [{ issue, path }];
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const part of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}
