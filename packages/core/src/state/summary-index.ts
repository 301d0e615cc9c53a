import { isAscii } from "node:buffer";
import { statSync } from "node:fs";
import { appendFile, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import type { JsonObject } from "../util/json.ts";
import { makeFolders, replaceDurably, tmpPath } from "./durable-files.ts";

/** What tells an ended stream's file from a changed one. */
export interface FileMark {
  size: number;
  mtimeMs: number;
}

/**
 * Size and time of a file; undefined when it is gone. Synchronous: 5 µs each, and a list of 10,000 takes a third of the processor
 * time of the thread pool's way; callers do few at a time.
 */
export function fileMark(path: string): FileMark | undefined {
  const info = statSync(path, { throwIfNoEntry: false });
  return info === undefined ? undefined : { size: info.size, mtimeMs: info.mtimeMs };
}

/** One line: <crc32 of the rest> <id> <size> <mtimeMs> <summary as JSON>. Ids hold no space. */
export function indexLine(id: string, mark: FileMark, summary: JsonObject): string {
  const rest = `${id} ${mark.size} ${mark.mtimeMs} ${JSON.stringify(summary)}`;
  return `${crc32(rest).toString(16).padStart(8, "0")} ${rest}\n`;
}

/** The index as it lies on disk; lines are parsed only when asked for. A damaged line is as if it were not there. */
export class SummaryIndex {
  readonly #data: Buffer;
  /** One character a byte, so that places in it are places in the data: slices of one string cost far less than 20,000 decodings. */
  readonly #text: string;
  readonly #isAscii: boolean;
  readonly #lines = new Map<string, number>();
  readonly #ends: number[] = [];
  readonly #starts: number[] = [];

  constructor(data: Buffer) {
    this.#data = data;
    this.#text = data.toString("latin1");
    this.#isAscii = isAscii(data);
    let start = 0;
    for (let end = this.#text.indexOf("\n"); end !== -1; end = this.#text.indexOf("\n", start)) {
      // "crc32 id …": the id begins at 9. A later line of the same id replaces the earlier.
      const space = this.#text.indexOf(" ", start + 9);
      if (space !== -1 && space < end) this.#lines.set(this.#text.slice(start + 9, space), this.#starts.push(start) - 1);
      if (this.#ends.length < this.#starts.length) this.#ends.push(end);
      start = end + 1;
    }
  }

  get size(): number {
    return this.#lines.size;
  }

  /** The summary of `id` if it was taken from the very file that `mark` describes. */
  get(id: string, mark: FileMark): JsonObject | undefined {
    const [start, end] = this.#place(id);
    if (start === end) return undefined;
    const rest = this.#data.subarray(start + 9, end);
    if (crc32(rest) !== Number.parseInt(this.#text.slice(start, start + 8), 16)) return undefined;
    const text = this.#isAscii ? this.#text.slice(start + 9, end) : rest.toString("utf8");
    const at = text.indexOf(" {");
    const cut = text.indexOf(" ", id.length + 1);
    if (Number(text.slice(id.length + 1, cut)) !== mark.size || Number(text.slice(cut + 1, at)) !== mark.mtimeMs) return undefined;
    return JSON.parse(text.slice(at + 1)) as JsonObject;
  }

  /** True when a stream was listed before, whatever its file looks like now. */
  has(id: string): boolean {
    return this.#lines.has(id);
  }

  /** The line of `id` as it is, newline included. */
  line(id: string): string | undefined {
    const [start, end] = this.#place(id);
    return start === end ? undefined : this.#data.toString("utf8", start, end + 1);
  }

  #place(id: string): [start: number, end: number] {
    const row = this.#lines.get(id);
    return row === undefined ? [0, 0] : [this.#starts[row] ?? 0, this.#ends[row] ?? 0];
  }
}

/** Reads the index; any failure gives an empty one, for it is a cache. */
export async function readIndex(path: string): Promise<SummaryIndex> {
  return new SummaryIndex(await readFile(path).catch(() => Buffer.alloc(0)));
}

/** Adds a line. Best effort. */
export async function addToIndex(path: string, line: string): Promise<void> {
  try {
    await appendFile(path, line);
  } catch {
    await makeFolders(dirname(path))
      .then(() => appendFile(path, line))
      .catch(() => {});
  }
}

/** Writes the index anew. Best effort: a line that another process adds meanwhile is only missed, and found again. */
export async function rewriteIndex(path: string, lines: string[], owner: string, nonce: string): Promise<void> {
  try {
    await makeFolders(dirname(path));
    await replaceDurably(path, tmpPath(dirname(path), owner, nonce), lines);
  } catch {
    // A read-only or full disk: the next list reads the headers again.
  }
}
