import { ValidationError } from "../errors/kinds.ts";

// Left readable because they are common in data sets ("date=2026-01-01") and mean nothing special in a path.
const READABLE: Record<string, string> = { "%3D": "=", "%40": "@", "%2B": "+", "%2C": ",", "%3A": ":" };

/** One path segment as it stands in a `file:` URI. Throws ValidationError for text that has no UTF-8 form. */
export function encodeSegment(name: string): string {
  try {
    return encodeURIComponent(name).replace(/%(?:3D|40|2B|2C|3A)/g, (code) => READABLE[code] ?? code);
  } catch (cause) {
    throw new ValidationError({
      what: `The name ${JSON.stringify(name)} is not valid Unicode text.`,
      fix: ["Rename the file to a name that is valid UTF-8."],
      cause,
    });
  }
}

/** `file://` URI of an absolute POSIX path; a trailing slash stays. Inverse of `fileUriToPath`. */
export function pathToFileUri(path: string): string {
  return `file://${path.split("/").map(encodeSegment).join("/")}`;
}

function refuse(uri: string, why: string): never {
  throw new ValidationError({
    what: `${JSON.stringify(uri)} is not a usable file URI: ${why}.`,
    fix: ['Use an absolute URI such as "file:///home/me/data/train.csv"; a percent sign in a name is written %25.'],
  });
}

/**
 * Absolute path of a `file:` URI; a trailing slash stays, repeated slashes collapse. "?" and "#" are ordinary characters here.
 * Throws ValidationError for another scheme or host, a bad escape, an encoded slash or NUL, and "." or ".." segments.
 */
export function fileUriToPath(uri: string): string {
  const match = /^file:\/\/(?:localhost)?(\/.*)$/is.exec(uri);
  const body = match?.[1];
  if (body === undefined) refuse(uri, "it must begin with file:/// and hold an absolute path");
  const segments: string[] = [];
  for (const part of body.split("/")) {
    if (part === "") continue;
    let name: string;
    try {
      name = decodeURIComponent(part);
    } catch {
      refuse(uri, `${JSON.stringify(part)} holds a bad percent escape`);
    }
    if (name === "." || name === "..") refuse(uri, `the segment ${JSON.stringify(name)} would leave its folder`);
    if (name.includes("/") || name.includes("\0")) refuse(uri, "a name cannot hold a slash or a NUL");
    segments.push(name);
  }
  const path = `/${segments.join("/")}`;
  return body.endsWith("/") && path !== "/" ? `${path}/` : path;
}
