import { existsSync, readdirSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

/** What makes a folder a project root. `runctl.config.*` counts too. */
export const ROOT_MARKERS: readonly string[] = [
  ".git",
  "pyproject.toml",
  "requirements.txt",
  "setup.py",
  "uv.lock",
  "Cargo.toml",
  "package.json",
  "go.mod",
  "pom.xml",
  "build.gradle",
  "Makefile",
];

function hasMarker(folder: string): boolean {
  if (ROOT_MARKERS.some((marker) => existsSync(join(folder, marker)))) return true;
  try {
    return readdirSync(folder).some((name) => name.startsWith("runctl.config."));
  } catch {
    return false;
  }
}

/**
 * The project root of a script: the nearest folder upwards, its own included, that holds a marker; else the script's own folder.
 * The home folder, the temporary folder and `/` are never taken for their markers: a dotfiles repository there would stage
 * everything its owner has. Looks at names only; the script need not exist.
 */
export function findProjectRoot(scriptPath: string, options: { home?: string | undefined } = {}): string {
  const own = dirname(resolve(scriptPath));
  const limits = new Set(["/", resolve(options.home ?? homedir()), resolve(tmpdir())]);
  for (let folder = own; !limits.has(folder); folder = dirname(folder)) {
    if (hasMarker(folder)) return folder;
  }
  return own;
}
