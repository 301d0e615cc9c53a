/** A line longer than this comes in several pieces, all but the last marked `truncated`. */
export const MAX_LINE_BYTES = 64 * 1024;

/** A piece of a log: the text, and the byte offset just behind it (behind its newline, where it has one). */
export interface LinePiece {
  text: string;
  end: number;
  truncated: boolean;
}

/**
 * Cuts a stream of bytes into lines. Multi-byte characters are never torn, whatever the chunks; bytes that are not UTF-8 become
 * U+FFFD. Memory is bounded by one line.
 */
export class LineCutter {
  #rest: Buffer = Buffer.alloc(0);
  #restAt: number;

  constructor(offset: number) {
    this.#restAt = offset;
  }

  /** Offset of the first byte that is not yet part of a given piece. */
  get pendingFrom(): number {
    return this.#restAt;
  }

  push(bytes: Uint8Array): LinePiece[] {
    const data =
      this.#rest.length === 0 ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) : Buffer.concat([this.#rest, bytes]);
    const pieces: LinePiece[] = [];
    let from = 0;
    for (;;) {
      const newline = data.indexOf(0x0a, from);
      const end = newline === -1 ? data.length : newline;
      if (end - from > MAX_LINE_BYTES) {
        const cut = from + characterBoundary(data, from, MAX_LINE_BYTES);
        pieces.push({ text: decode(data.subarray(from, cut)), end: this.#restAt + cut, truncated: true });
        from = cut;
        continue;
      }
      if (newline === -1) break;
      pieces.push({ text: decode(stripReturn(data.subarray(from, newline))), end: this.#restAt + newline + 1, truncated: false });
      from = newline + 1;
    }
    // A copy: a view would keep the whole chunk alive.
    this.#rest = Buffer.from(data.subarray(from));
    this.#restAt += from;
    return pieces;
  }

  /** What is left without a newline, at the end of a log. */
  flush(): LinePiece[] {
    if (this.#rest.length === 0) return [];
    const piece = { text: decode(stripReturn(this.#rest)), end: this.#restAt + this.#rest.length, truncated: false };
    this.#restAt += this.#rest.length;
    this.#rest = Buffer.alloc(0);
    return [piece];
  }
}

/** The largest length up to `limit` that does not end inside a UTF-8 character (continuation bytes are 10xxxxxx). */
function characterBoundary(data: Buffer, from: number, limit: number): number {
  for (let back = 0; back < 4; back++) {
    if (((data[from + limit - back] ?? 0) & 0xc0) !== 0x80) return limit - back;
  }
  return limit;
}

function stripReturn(line: Buffer): Buffer {
  return line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
}

function decode(bytes: Buffer): string {
  return bytes.toString("utf8");
}
