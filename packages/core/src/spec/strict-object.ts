import { z } from "zod";
import { nearest } from "./nearest.ts";

/** A zod object that refuses unknown keys, naming the known key each is nearest to. */
export function strict<Shape extends z.core.$ZodLooseShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => (issue.code === "unrecognized_keys" ? describeUnknownKeys(issue.keys, known) : undefined),
  });
}

function describeUnknownKeys(keys: readonly string[], known: readonly string[]): string {
  return keys
    .map((key) => {
      const near = nearest(key, known);
      return `Unknown key ${JSON.stringify(key)}${near === undefined ? `; known are ${known.join(", ")}` : `; did you mean "${near}"?`}`;
    })
    .join(" ");
}
