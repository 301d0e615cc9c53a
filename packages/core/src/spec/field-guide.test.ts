import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { z } from "zod";
import { RUN_SPEC_FIELDS } from "./field-guide.ts";
import { OPTION_FIELDS } from "./options-schema.ts";
import { runSpecSchema } from "./run-spec-schema.ts";

interface Def {
  type: string;
  innerType?: { def: Def };
  element?: { def: Def };
  valueType?: { def: Def };
  options?: Array<{ def: Def }>;
  shape?: Record<string, { def: Def }>;
}

/** Paths of everything the schema knows, as the guide writes them. */
function paths(def: Def, path = ""): string[] {
  if (def.innerType !== undefined) return paths(def.innerType.def, path);
  if (def.options !== undefined) return def.options.flatMap((option) => paths(option.def, path));
  if (def.element !== undefined) return [`${path}[]`, ...paths(def.element.def, `${path}[]`)];
  if (def.valueType !== undefined) return [`${path}.*`, ...paths(def.valueType.def, `${path}.*`)];
  return Object.entries(def.shape ?? {}).flatMap(([key, value]) => {
    const below = path === "" ? key : `${path}.${key}`;
    return [below, ...paths(value.def, below)];
  });
}

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
const code = (text: string) => `\`${cell(text)}\``;

function render(fields: typeof RUN_SPEC_FIELDS): string {
  const rows = Object.entries(fields)
    .filter(([key]) => !key.endsWith("[]"))
    .map(
      ([key, guide]) =>
        `| ${code(key)} | ${cell(guide.takes)} | ${cell(guide.default)} | ${code(guide.example)} | ${cell(guide.meaning)} |`,
    );
  return ["| Field | Takes | Default | Example | Meaning |", "| --- | --- | --- | --- | --- |", ...rows].join("\n");
}

describe("the guide of RunSpec", () => {
  test("has every field of the schema and no other", () => {
    expect([...new Set(paths((runSpecSchema() as unknown as z.ZodType).def as unknown as Def))].sort()).toEqual(
      Object.keys(RUN_SPEC_FIELDS).sort(),
    );
  });

  test.each(Object.entries(RUN_SPEC_FIELDS).filter(([key]) => !/[.[*]/.test(key)))("the example of %s is right", (key, guide) => {
    const value: unknown = new Function(`return (${guide.example})`)();
    const parsed = runSpecSchema().safeParse({ [key]: value });
    expect(parsed.error?.issues ?? []).toEqual([]);
  });

  test.each([
    ["fields", RUN_SPEC_FIELDS],
    ["options", OPTION_FIELDS],
  ])("docs/guides/run-spec.md shows these %s (UPDATE_DOCS=1 rewrites it)", (name, fields) => {
    const file = fileURLToPath(new URL("../../../../docs/guides/run-spec.md", import.meta.url));
    const text = readFileSync(file, "utf8");
    const part = new RegExp(`(<!-- ${name} -->\\n)[\\s\\S]*?(\\n<!-- /${name} -->)`);
    const wanted = text.replace(part, (_all, before: string, after: string) => `${before}${render(fields)}${after}`);
    expect(part.test(text)).toBe(true);
    if (process.env.UPDATE_DOCS === "1") writeFileSync(file, wanted);
    else expect(text).toBe(wanted);
  });
});
