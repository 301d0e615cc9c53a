// Reads the code blocks of Markdown files.
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { root } from "../lib/workspace.ts";

/** One fenced block. */
export interface Block {
  /** File and line of the opening fence, relative to the checkout. */
  where: string;
  language: string;
  /** What stands after the language: `no-run <reason>`, `run`. */
  info: string;
  code: string;
}

/** Every fenced block of a file, in order. */
export function blocksOf(file: string): Block[] {
  const found: Block[] = [];
  let open: { fence: string; indent: string; line: number; language: string; info: string; lines: string[] } | undefined;
  for (const [index, line] of readFileSync(file, "utf8").split("\n").entries()) {
    const fence = /^(\s*)(`{3,})(\S*)\s*(.*)$/.exec(line);
    if (open === undefined) {
      if (fence)
        open = {
          indent: fence[1] ?? "",
          fence: fence[2] ?? "",
          language: fence[3] ?? "",
          info: fence[4] ?? "",
          line: index + 1,
          lines: [],
        };
    } else if (fence?.[2] === open.fence && fence[3] === "") {
      const { language, info, lines } = open;
      found.push({ where: `${relative(root, file)}:${open.line}`, language, info: info.trim(), code: `${lines.join("\n")}\n` });
      open = undefined;
    } else {
      open.lines.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line);
    }
  }
  return found;
}
