import { complete, type ReadAt, torn, unproven, type Verdict } from "./verdict.ts";

const SIGNATURE = Buffer.from("\x89HDF\r\n\x1a\n", "latin1");

/** The superblock holds the end-of-file address (HDF5 file format specification, II.A). */
export async function judgeHdf5(size: number, read: ReadAt): Promise<Verdict> {
  const format = "hdf5";
  let at = 0;
  while (at + 64 <= size && at <= 1 << 20) {
    if (SIGNATURE.equals(await read(at, 8))) break;
    at = at === 0 ? 512 : at * 2;
  }
  if (at + 64 > size || at > 1 << 20) return torn(format, "its HDF5 superblock is missing");
  const block = Buffer.from(await read(at, 96));
  const version = block.readUInt8(8);
  if (version > 3) return unproven(format, `its superblock version ${version} is not known`);
  if (version === 3 && (block.readUInt8(11) & 1) === 1) return torn(format, "it is still marked as open for writing");
  const width = block.readUInt8(version < 2 ? 13 : 9);
  const first = version < 2 ? 24 + (version === 1 ? 4 : 0) : 12;
  if (![2, 4, 8].includes(width) || first + 3 * width > block.length) return torn(format, "its superblock is damaged");
  const address = (position: number): bigint => {
    let value = 0n;
    for (let i = width - 1; i >= 0; i -= 1) value = (value << 8n) | BigInt(block.readUInt8(position + i));
    return value;
  };
  let end = address(first + 2 * width);
  if (address(first) !== BigInt(at)) end += BigInt(at);
  return BigInt(size) < end ? torn(format, `it should have ${end} bytes and has ${size}`) : complete(format);
}
