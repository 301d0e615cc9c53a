// The host agent's Python: ruff (rules and format) and pyright, with the settings of packages/core/agent/pyproject.toml.
// Both come as npm packages, so that they run wherever the rest does.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { PositionEncoding, Workspace } from "@astral-sh/ruff-wasm-nodejs";
import { parse } from "smol-toml";
import { root } from "./lib/workspace.ts";

interface Finding {
  code: string | null;
  message: string;
  start_location: { row: number; column: number };
}

const fix = process.argv.includes("--fix");
const agent = join(root, "packages", "core", "agent");
const settings = parse(readFileSync(join(agent, "pyproject.toml"), "utf8")) as { tool: { ruff: Record<string, object> } };
const files = readdirSync(agent, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".py"))
  .sort()
  .map((path) => join(agent, path));

// One file at a time knows no neighbours: the agent's own package is named as first party.
const lint = settings.tool.ruff.lint ?? {};
const ruff = new Workspace(
  { ...settings.tool.ruff, lint: { ...lint, isort: { "known-first-party": ["runctl_agent", "tests"] } } },
  PositionEncoding.Utf16,
);
const findings: string[] = [];
for (const file of files) {
  const text = readFileSync(file, "utf8");
  const shown = relative(root, file);
  for (const { code, message, start_location: at } of ruff.check(text) as Finding[]) {
    findings.push(`${shown}:${at.row}:${at.column} ${code ?? "syntax"} ${message}`);
  }
  const formatted = ruff.format(text);
  if (formatted !== text && fix) writeFileSync(file, formatted);
  else if (formatted !== text) findings.push(`${shown}: not formatted (npx tsx tools/check-python.ts --fix)`);
}
verdict(`ruff of ${files.length} files`, findings.length === 0, findings.join("\n"));

const pyright = spawnSync(join(root, "node_modules", ".bin", "pyright"), ["--project", agent], { cwd: agent, encoding: "utf8" });
verdict("pyright", pyright.status === 0, `${pyright.stdout}${pyright.stderr}`);

function verdict(what: string, ok: boolean, why: string): void {
  console.log(ok ? `PASS ${what}` : `FAIL ${what}\n${why}`);
  if (!ok) process.exitCode = 1;
}
