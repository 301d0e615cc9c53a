import { complete, type ReadAt, torn, type Verdict } from "./verdict.ts";

/** The limit of the safetensors format itself (safetensors/src/tensor.rs, MAX_HEADER_SIZE). */
const MAX_HEADER = 100_000_000;

/** 8 bytes header length, JSON header, data: the file's size must be exactly 8 + header + largest end offset. */
export async function judgeSafetensors(size: number, read: ReadAt): Promise<Verdict> {
  const format = "safetensors";
  if (size < 10) return torn(format, "it is shorter than any safetensors file");
  const length = Buffer.from(await read(0, 8)).readBigUInt64LE(0);
  if (length > BigInt(MAX_HEADER)) return torn(format, `its header claims ${length} bytes, the format allows ${MAX_HEADER}`);
  const headerSize = Number(length);
  if (8 + headerSize > size) return torn(format, `its header claims ${headerSize} bytes, the file has ${size}`);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await read(8, headerSize)));
  } catch {
    return torn(format, "its header is not JSON");
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) return torn(format, "its header is not a JSON object");
  let end = 0;
  for (const [key, tensor] of Object.entries(header)) {
    if (key === "__metadata__") continue;
    const offsets: unknown =
      typeof tensor === "object" && tensor !== null ? (tensor as { data_offsets?: unknown }).data_offsets : undefined;
    const [from, to] = Array.isArray(offsets) && offsets.length === 2 ? (offsets as unknown[]) : [];
    if (!Number.isInteger(from) || !Number.isInteger(to) || (from as number) < 0 || (from as number) > (to as number)) {
      return torn(format, "a tensor's data_offsets are damaged");
    }
    end = Math.max(end, to as number);
  }
  if (8 + headerSize + end !== size) return torn(format, `it should have ${8 + headerSize + end} bytes and has ${size}`);
  return complete(format);
}
