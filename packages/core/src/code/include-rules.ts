import { patternMatcher } from "./ignore-rules.ts";

/** What the `include` option re-includes. */
export interface IncludeRules {
  /** The path (folders end in "/") matches a pattern, itself or through a folder above it. */
  matches(path: string): boolean;
  /** Something below this ignored folder may match. */
  mayMatchBelow(folder: string): boolean;
  /** A pattern ends in this very name: what junk needs to come along. */
  names(path: string): boolean;
  /** A pattern is exactly this path: what a secret needs to come along. */
  isExactly(path: string): boolean;
}

function segments(pattern: string): string[] {
  return pattern.split("/").filter((part) => part !== "" && part !== ".");
}

const GLOB = /[*?[\]\\!]/;

/** Compiles `include`. Patterns are .gitignore lines relative to the project root. */
export function includeRules(patterns: readonly string[]): IncludeRules {
  const matcher = patternMatcher(patterns);
  const exact = new Set(patterns.filter((pattern) => !GLOB.test(pattern)).map((pattern) => segments(pattern).join("/")));
  const lastNames = new Set(patterns.map((pattern) => segments(pattern).at(-1) ?? ""));
  // The literal beginning of each pattern; a pattern without a slash matches at any depth, so its beginning is empty.
  const beginnings = patterns.map((pattern) => {
    const parts = segments(pattern);
    const floating = parts.length === 1 && !/^\.?\//.test(pattern);
    const firstGlob = parts.findIndex((part) => GLOB.test(part));
    return floating ? "" : (firstGlob < 0 ? parts : parts.slice(0, firstGlob)).map((part) => `${part}/`).join("");
  });
  return {
    matches: (path) => matcher?.(path) ?? false,
    mayMatchBelow: (folder) => beginnings.some((start) => start.startsWith(folder) || folder.startsWith(start)),
    names: (path) => {
      const name = segments(path).at(-1) ?? "";
      return lastNames.has(name) && (matcher?.(path) ?? false);
    },
    isExactly: (path) => exact.has(segments(path).join("/")),
  };
}
