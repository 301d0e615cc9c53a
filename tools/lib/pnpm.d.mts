/** Program and leading arguments that run pnpm: the one that runs this script, else the one on PATH, else npx. */
export function pnpmCommand(): string[];
