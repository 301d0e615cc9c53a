import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPlace } from "../place.ts";
import { findUnits } from "./layout.ts";
import { judgeUnit } from "./unit.ts";

interface Case {
  name: string;
  dir: string;
  expected: Record<string, [status: string, format: string, reason?: string]>;
  host: Array<{
    path: string;
    kind: string;
    files: string[];
    status: string;
    format: string;
    reason: string | null;
    step: number | null;
    world: number | null;
  }>;
}

const script = new URL("../../../agent/tests/checkpoint_fixtures.py", import.meta.url).pathname;
const base = mkdtempSync(join(tmpdir(), "runctl-formats-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

// Debian's python3-torch lives beside the system's python only; without it the cases made by the real writer are left out.
const python = ["/usr/bin/python3", "python3"].find((candidate) => candidate === "python3" || existsSync(candidate)) ?? "python3";
let cases: Case[] = [];
beforeAll(() => {
  cases = JSON.parse(execFileSync(python, [script, base], { encoding: "utf8", maxBuffer: 1 << 26 })) as Case[];
}, 60_000);

async function judge(dir: string): Promise<Case["host"]> {
  const { tree } = await openPlace(
    () => {
      throw new Error("no store is needed for a folder");
    },
    dir,
    {},
  );
  const found: Case["host"] = [];
  for (const unit of findUnits(tree.sizes.keys())) {
    const verdict = await judgeUnit(unit, tree);
    found.push({
      path: unit.path,
      kind: unit.kind,
      files: unit.files,
      status: verdict.status,
      format: verdict.format,
      reason: verdict.reason ?? null,
      step: verdict.step ?? null,
      world: verdict.world ?? null,
    });
  }
  return found;
}

describe("P-24 P-25 P-26 checkpoint formats from outside", () => {
  test("every case is judged as expected", async () => {
    expect(cases.length).toBeGreaterThanOrEqual(34);
    for (const { name, dir, expected } of cases) {
      const found = await judge(dir);
      expect([name, ...found.map((unit) => unit.path).sort()]).toEqual([name, ...Object.keys(expected).sort()]);
      for (const unit of found) {
        const [status, format, reason] = expected[unit.path] ?? [];
        expect([name, unit.path, unit.status, unit.format, unit.reason]).toEqual([
          name,
          unit.path,
          status,
          format,
          reason === undefined ? unit.reason : expect.stringContaining(reason),
        ]);
      }
    }
  });

  test("the host agent and the controller judge the same files equally, word for word", async () => {
    for (const { name, dir, host } of cases) {
      expect({ name, units: await judge(dir) }).toEqual({ name, units: host });
    }
  });
});
