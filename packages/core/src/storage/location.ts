import { resolve } from "node:path";
import { ValidationError } from "../errors/kinds.ts";
import { encodeSegment, fileUriToPath, pathToFileUri } from "./file-uri.ts";

const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;

/** Lower-case scheme of a URI, undefined for a plain path. */
export function schemeOf(location: string): string | undefined {
  return SCHEME.exec(location)?.[1]?.toLowerCase();
}

/**
 * A location as users write it (a plain path, `file://…`, `s3://…`) as a URI. Plain paths are resolved against `base`
 * (default: the working directory); a trailing slash, which says "this is a folder", stays.
 * Throws ValidationError for empty text, a NUL and `~/…` (the shell expands that, JavaScript does not).
 */
export function toUri(location: string, base: string = process.cwd()): string {
  if (typeof location !== "string" || location === "" || location.includes("\0")) {
    throw new ValidationError({
      what: `A location must be a path or URI, not ${JSON.stringify(location)} (${typeof location}).`,
      fix: ['Use for example "data/train", "/mnt/data", "file:///mnt/data" or "s3://my-bucket/data".'],
    });
  }
  const scheme = schemeOf(location);
  if (scheme === "file") return pathToFileUri(fileUriToPath(location));
  if (scheme !== undefined) return location;
  if (location === "~" || location.startsWith("~/")) {
    throw new ValidationError({
      what: `The location ${JSON.stringify(location)} begins with "~", which only a shell expands.`,
      fix: ['Use an absolute path (os.homedir() tells your home folder), or "./~/…" for a folder that is really called "~".'],
    });
  }
  const path = resolve(base, location);
  return pathToFileUri(location.endsWith("/") && path !== "/" ? `${path}/` : path);
}

/** The URI with one trailing slash: the folder itself, never its neighbours of longer names. */
export function asFolder(uri: string): string {
  return uri.endsWith("/") ? uri : `${uri}/`;
}

/** True when `key` is a plain relative key: no empty, "." or ".." segment, no NUL. */
export function isPlainKey(key: string): boolean {
  return !key.includes("\0") && key.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

/**
 * URI of the object `key` below the folder `prefix`. Keys are raw text with "/" between segments; `file:` URIs are
 * percent-encoded, every other scheme holds keys as they are (`s3://bucket/a b`). Throws ValidationError unless `isPlainKey`.
 */
export function joinKey(prefix: string, key: string): string {
  if (!isPlainKey(key)) {
    throw new ValidationError({
      what: `${JSON.stringify(key)} is not a plain relative key.`,
      why: 'Empty, "." and ".." segments could leave the folder they are meant for.',
      fix: ["Rename the object."],
    });
  }
  const folder = asFolder(prefix);
  return schemeOf(prefix) === "file" ? folder + key.split("/").map(encodeSegment).join("/") : folder + key;
}

/** Inverse of `joinKey`: the raw key of `uri` below the folder `prefix`. */
export function keyBelow(prefix: string, uri: string): string {
  const folder = asFolder(prefix);
  if (!uri.startsWith(folder)) {
    throw new ValidationError({ what: `${uri} is not below ${folder}.` });
  }
  const rest = uri.slice(folder.length);
  return schemeOf(prefix) === "file" ? rest.split("/").map(decodeURIComponent).join("/") : rest;
}
