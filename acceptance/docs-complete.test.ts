import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import * as kinds from "../packages/core/src/errors/kinds.ts";
import { RunctlError } from "../packages/core/src/errors/runctl-error.ts";
import { CAUSES } from "../packages/core/src/host/records.ts";
import { OVERRIDABLE_REFUSALS } from "../packages/core/src/planner/refusals.ts";

// What a user can meet must be in docs/guides/troubleshooting.md: taken from the code, so that a new error cannot be forgotten.
const root = fileURLToPath(new URL("..", import.meta.url));
const page = readFileSync(join(root, "docs", "guides", "troubleshooting.md"), "utf8");
const planner = sources("packages/core/src/planner");
const engine = sources("packages/core/src/engine");

describe("docs/guides/troubleshooting.md", () => {
  it("has every error, by class and code", () => {
    const classes = Object.values(kinds).filter((value) => typeof value === "function" && value.prototype instanceof RunctlError);
    const rows = classes.map((value) => {
      const error = new (value as new (init: { what: string }) => RunctlError)({ what: "x" });
      return `| \`${error.code}\` | \`${error.name}\` |`;
    });
    expect(rows.length).toBeGreaterThan(20);
    expect(rows.filter((row) => !page.includes(row))).toEqual([]);
  });

  it("has every cause of an attempt's end, the host's and the engine's", () => {
    const own = found(
      engine,
      /\bcause(?:: | = )"([a-z-]+)"/g,
      /"(?:lost|interrupted)", "([a-z-]+)", env\.now/g,
      /conclude\([^)]*, "([a-z-]+)"\)/g,
    );
    expect(own).toEqual(expect.arrayContaining(["machine-gone", "agent-killed", "not-reachable", "secrets-missing"]));
    expect([...new Set([...CAUSES, ...own])].filter((cause) => !row(cause))).toEqual([]);
  });

  it("has every refusal, and marks those that can be allowed", () => {
    const ids = found(planner, /\brefusal\(\s*"([a-z-]+)"/g, /refusals: \[\{ id: "([a-z-]+)"/g, /return \[\{ id: "([a-z-]+)"/g);
    expect(ids).toEqual(expect.arrayContaining(["no-offer", "unknown-provider", "machine-busy", "provider-options"]));
    expect(ids.filter((id) => !page.includes(`\n| \`${id}\``))).toEqual([]);
    const starred = [...page.matchAll(/^\| `([a-z-]+)` \* \|/gm)].map((match) => match[1]);
    expect(starred.sort()).toEqual([...OVERRIDABLE_REFUSALS].sort());
  });

  it("has every reason why an offer is left out, and every warning of a plan", () => {
    const types = readFileSync(join(root, "packages/core/src/planner/plan-types.ts"), "utf8");
    const drops = [...(/export type DropId =([^;]+);/.exec(types)?.[1] ?? "").matchAll(/"([a-z-]+)"/g)].map((match) => match[1] ?? "");
    const warnings = found(readFileSync(join(root, "packages/core/src/planner/plan-warnings.ts"), "utf8"), /\bid: "([a-z-]+)"/g);
    expect(drops.length).toBeGreaterThan(10);
    expect(warnings.length).toBeGreaterThan(5);
    expect([...drops, ...warnings].filter((id) => !page.includes(`\`${id}\``))).toEqual([]);
  });
});

function row(id: string): boolean {
  return page.includes(`\n| \`${id}\``) || new RegExp(`\\n\\| (\`[a-z-]+\`, )*\`${id}\``).test(page);
}

function found(text: string, ...patterns: RegExp[]): string[] {
  return [...new Set(patterns.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1] ?? "")))];
}

function sources(folder: string): string {
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  return names.map((name) => readFileSync(join(root, folder, name), "utf8")).join("\n");
}
