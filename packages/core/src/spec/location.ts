import { resolve } from "node:path";
import { invalidValue } from "./invalid.ts";

const URI = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//;

/**
 * A location in its absolute form: a plain path becomes absolute against `root`, `file://` and `s3://` (any scheme) stay.
 * A slash at the end stays, since it says "folder".
 * @throws ValidationError for what looks like a URI and is none.
 */
export function resolveLocation(text: string, root: string, field: string): string {
  const refuse = (why: string, example: string) =>
    invalidValue({ field, value: text, expected: "a location: a path, file://… or s3://…", example: JSON.stringify(example), why });
  const scheme = URI.exec(text)?.[1];
  if (scheme === undefined) {
    const slip = /^(s3|file|gs|https?):/i.exec(text);
    if (slip !== null) throw refuse("Two slashes follow the scheme.", `${slip[0]}//${text.slice(slip[0].length).replace(/^\/+/, "")}`);
    if (text === "~" || text.startsWith("~/")) throw refuse('Only a shell expands "~".', `/home/me/${text.slice(2)}`);
    const path = resolve(root, text);
    return text.endsWith("/") && path !== "/" ? `${path}/` : path;
  }
  if (scheme !== scheme.toLowerCase()) throw refuse("Schemes are written in lower case.", text.replace(scheme, scheme.toLowerCase()));
  const rest = text.slice(scheme.length + 3);
  if (scheme === "file" && !rest.startsWith("/"))
    throw refuse("After file:// comes an absolute path, so there are three slashes.", `file:///${rest}`);
  if (scheme === "s3" && !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/|$)/.test(rest)) {
    throw refuse("After s3:// comes a bucket's name: 3 to 63 lower-case letters, digits, dots and dashes.", "s3://my-bucket/data/");
  }
  if (rest === "") throw refuse("Nothing follows the scheme.", `${scheme}://somewhere/data`);
  return text;
}
