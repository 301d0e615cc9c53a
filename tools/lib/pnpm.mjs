// pnpm as a command line, wherever it came from: a fresh machine has it only in npx's folder.
import { spawnSync } from "node:child_process";

/** Program and leading arguments that run pnpm: the one that runs this script, else the one on PATH, else npx. */
export function pnpmCommand() {
  const running = process.env.npm_execpath ?? "";
  if (/pnpm\.[cm]?js$/.test(running)) return [process.execPath, running];
  if (spawnSync("pnpm", ["--version"], { stdio: "ignore" }).status === 0) return ["pnpm"];
  return ["npx", "-y", "pnpm@10"];
}
