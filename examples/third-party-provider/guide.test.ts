import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { blocksOf } from "../../tools/docs/blocks.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const MARK = /^\/\/ file: (\S+)\n/;

it("the guide's code is this example's, file by file", () => {
  const files = blocksOf(join(here, "../../docs/guides/writing-a-provider.md")).filter((block) => MARK.test(block.code));
  const own = readdirSync(here).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  expect(files.map((block) => MARK.exec(block.code)?.[1]).sort()).toEqual(own.sort());
  for (const { code } of files) expect(code.replace(MARK, "")).toBe(readFileSync(join(here, MARK.exec(code)?.[1] ?? ""), "utf8"));
});
