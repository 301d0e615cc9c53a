import { complete, type ReadAt, torn, unproven, type Verdict } from "./verdict.ts";

/** Magic, version, header; the data's size follows from dtype and shape (numpy.lib.format). */
export async function judgeNpy(size: number, read: ReadAt): Promise<Verdict> {
  const format = "npy";
  const head = Buffer.from(await read(0, Math.min(size, 12)));
  if (head.length < 12 || head.toString("latin1", 0, 6) !== "\x93NUMPY") return torn(format, "its NumPy header is missing");
  const start = head[6] === 1 ? 10 : 12;
  const length = head[6] === 1 ? head.readUInt16LE(8) : head.readUInt32LE(8);
  if (start + length > size || length > 1 << 20) return torn(format, "its NumPy header is damaged");
  const header = Buffer.from(await read(start, length)).toString("latin1");
  const descr = /'descr'\s*:\s*'([<>|=]?)([a-zA-Z])([0-9]*)'/.exec(header);
  const shape = /'shape'\s*:\s*\(([0-9, ]*)\)/.exec(header);
  if (descr === null || shape === null) return unproven(format, "its data type is not a plain one");
  if (descr[2] === "O") return unproven(format, "it holds pickled objects");
  let bytes = BigInt(descr[3] === "" || descr[3] === undefined ? "1" : descr[3]) * (descr[2] === "U" ? 4n : 1n);
  for (const part of (shape[1] ?? "").split(",")) if (part.trim() !== "") bytes *= BigInt(part.trim());
  const expected = BigInt(start + length) + bytes;
  if (expected > BigInt(size)) return torn(format, `it should have ${expected} bytes and has ${size}`);
  if (expected < BigInt(size)) return unproven(format, "more follows after its array");
  return complete(format);
}
