// Links of Markdown files that lead to other files of this repository.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { root } from "../lib/workspace.ts";

/** Relative links whose file does not exist, as "page: target". The generated reference is not there yet when this runs. */
export function brokenLinks(files: readonly string[]): string[] {
  return files.flatMap((file) =>
    [...withoutBlocks(readFileSync(file, "utf8")).matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => (match[1] ?? "").replace(/#.*$/, ""))
      .filter((target) => target !== "" && !/^[a-z]+:/.test(target))
      .filter((target) => !join(dirname(file), target).startsWith(join(root, "docs", "api")))
      .filter((target) => !existsSync(join(dirname(file), target)))
      .map((target) => `${relative(root, file)}: ${target}`),
  );
}

/** Guides that the index does not name. */
export function unlisted(files: readonly string[], index: string): string[] {
  const text = existsSync(index) ? readFileSync(index, "utf8") : "";
  return files
    .map((file) => relative(dirname(index), file))
    .filter((path) => /^(guides|decisions)\//.test(path) && !text.includes(`(${path})`));
}

function withoutBlocks(text: string): string {
  return text.replaceAll(/^\s*(`{3,})[\s\S]*?^\s*\1\s*$/gm, "");
}
