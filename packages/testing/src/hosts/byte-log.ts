const BLOCK = 1 << 14;

/** A file that only grows, read by byte offsets. */
export class ByteLog {
  readonly #parts: Array<{ start: number; bytes: Uint8Array }> = [];
  #tail: string[] = [];
  #tailStart = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  append(text: string): void {
    if (text === "") return;
    this.#tail.push(text);
    this.#size += Buffer.byteLength(text);
    if (this.#size - this.#tailStart >= BLOCK) this.#seal();
  }

  /** At most `maxBytes` from `offset` on. */
  read(offset: number, maxBytes = Number.POSITIVE_INFINITY): Uint8Array {
    const end = Math.min(this.#size, offset + maxBytes);
    if (offset >= end) return new Uint8Array();
    if (end > this.#tailStart) this.#seal();
    const out = new Uint8Array(end - offset);
    for (let i = this.#parts.length - 1; i >= 0; i--) {
      const part = this.#parts[i];
      if (part === undefined || part.start + part.bytes.byteLength <= offset) break;
      if (part.start >= end) continue;
      const from = Math.max(offset, part.start);
      const to = Math.min(end, part.start + part.bytes.byteLength);
      out.set(part.bytes.subarray(from - part.start, to - part.start), from - offset);
    }
    return out;
  }

  toString(): string {
    return new TextDecoder().decode(this.read(0));
  }

  #seal(): void {
    if (this.#tail.length === 0) return;
    const last = this.#parts.at(-1);
    const text = Buffer.from(this.#tail.join(""));
    // Bytes of its own, small parts joined: a slice of Node's pool would keep 8 KiB alive for every few lines of a thousand hosts.
    const before = last !== undefined && last.bytes.byteLength < BLOCK ? last : { start: this.#tailStart, bytes: new Uint8Array() };
    const bytes = new Uint8Array(before.bytes.byteLength + text.byteLength);
    bytes.set(before.bytes);
    bytes.set(text, before.bytes.byteLength);
    if (before === last) this.#parts.pop();
    this.#parts.push({ start: before.start, bytes });
    this.#tail = [];
    this.#tailStart = this.#size;
  }
}
