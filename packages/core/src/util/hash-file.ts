import { createHash } from "node:crypto";
import { open } from "node:fs/promises";

/** Two of these are in memory whatever the file's size: one is hashed while the other is read. */
const BUFFER_BYTES = 4 * 1024 * 1024;

/**
 * Lower-case hex SHA-256 and size in bytes of a file, streamed: memory stays flat at two 4 MiB buffers. `onProgress` is told the bytes
 * done so far. Rejects with the signal's own reason on abort, and with the system's error when the file cannot be read.
 */
export async function hashFile(
  path: string,
  options: { signal?: AbortSignal | undefined; onProgress?: ((bytes: number) => void) | undefined } = {},
): Promise<{ sha256: string; sizeBytes: number }> {
  options.signal?.throwIfAborted();
  const handle = await open(path, "r");
  try {
    const digest = createHash("sha256");
    let filled: Buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    let spare: Buffer | undefined;
    let sizeBytes = 0;
    let got = (await handle.read(filled, 0, BUFFER_BYTES, 0)).bytesRead;
    while (got > 0) {
      options.signal?.throwIfAborted();
      spare ??= Buffer.allocUnsafeSlow(BUFFER_BYTES);
      // The read runs in the thread pool while this thread hashes what is there already.
      const next = handle.read(spare, 0, BUFFER_BYTES, sizeBytes + got);
      digest.update(got === BUFFER_BYTES ? filled : filled.subarray(0, got));
      sizeBytes += got;
      options.onProgress?.(sizeBytes);
      got = (await next).bytesRead;
      [filled, spare] = [spare, filled];
    }
    return { sha256: digest.digest("hex"), sizeBytes };
  } finally {
    await handle.close();
  }
}
