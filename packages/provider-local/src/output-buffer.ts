/** What is kept of each output stream of a command: 8 MiB. */
const OUTPUT_LIMIT = 8 * 1024 * 1024;

/** Collects the beginning of a stream, up to the limit, and drops the rest. */
export class OutputBuffer {
  #chunks: Uint8Array[] = [];
  #size = 0;

  add(chunk: Uint8Array): void {
    const room = OUTPUT_LIMIT - this.#size;
    if (room <= 0) return;
    const part = chunk.length > room ? chunk.subarray(0, room) : chunk;
    this.#chunks.push(part);
    this.#size += part.length;
  }

  /** The bytes as UTF-8; what is no UTF-8 becomes U+FFFD. */
  text(): string {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.concat(this.#chunks));
  }
}
