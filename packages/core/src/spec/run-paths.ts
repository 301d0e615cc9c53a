import { invalidValue } from "./invalid.ts";

/**
 * A path of the training's working directory in its normal form: POSIX, relative, without "." and ".." segments; "." is the
 * directory itself.
 * @throws ValidationError for absolute paths and for those that leave the directory.
 */
export function insideWorkingDirectory(text: string, field: string, example: string): string {
  const refuse = (why: string) =>
    invalidValue({ field, value: text, expected: "a path relative to the training's working directory", example, why });
  if (text.startsWith("/") || /^[A-Za-z]:[\\/]/.test(text)) throw refuse("An absolute path means something else on each machine.");
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) throw refuse("Locations such as s3://… belong to the other side of an input or output.");
  if (text === "~" || text.startsWith("~/")) throw refuse("The training's home folder is not part of its working directory.");
  if (text.includes("\\")) throw refuse("Separators are forward slashes.");
  const segments: string[] = [];
  for (const segment of text.split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment !== "..") segments.push(segment);
    else if (segments.pop() === undefined) throw refuse("It leaves the working directory.");
  }
  return segments.length === 0 ? "." : segments.join("/");
}

/** The same, but not the working directory itself. */
export function folderInWorkingDirectory(text: string, field: string, example: string): string {
  const path = insideWorkingDirectory(text, field, example);
  if (path === ".") {
    throw invalidValue({
      field,
      value: text,
      expected: "a folder inside the training's working directory",
      example,
      why: "The working directory itself also holds the code and the data.",
    });
  }
  return path;
}
