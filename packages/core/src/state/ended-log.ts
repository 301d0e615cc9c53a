import { open, readFile } from "node:fs/promises";
import type { JsonObject } from "../util/json.ts";
import { advance, decodeSummed, encodeSummed, type LogRecord, RecordDamage, START, type Tail } from "./log-record.ts";
import { errnoCode } from "./storage-failure.ts";

/** First line of an ended stream's file; after it come the records as they were, the seal last. */
export interface EndedHeader {
  v: 1;
  ended: string;
  events: number;
  /** Bytes of everything behind the header: a cut file is seen without reading it. */
  bytes: number;
  last: string;
  summary: JsonObject;
}

export function encodeHeader(header: EndedHeader): string {
  return encodeSummed(header).text;
}

/** The header of an ended stream's file, checked against the file's size. Undefined when there is no such file. @throws RecordDamage */
export async function readHeader(path: string, stream: string): Promise<EndedHeader | undefined> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(path, "r");
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const { size } = await handle.stat();
    // Summaries are a few hundred bytes; a bigger one is found by doubling.
    for (let length = Math.min(size, 4096); ; length = Math.min(size, length * 2)) {
      const buffer = Buffer.alloc(length);
      const { bytesRead } = await handle.read(buffer, 0, length, 0);
      const end = buffer.subarray(0, bytesRead).indexOf(10);
      if (end !== -1) return checkHeader(buffer.toString("utf8", 0, end + 1), path, stream, size - end - 1);
      if (length >= size) throw new RecordDamage(`${path} is cut off`);
    }
  } finally {
    await handle.close();
  }
}

function checkHeader(line: string, path: string, stream: string, bodyBytes: number): EndedHeader {
  const header = decodeSummed(line, path).value as EndedHeader;
  if (header.ended !== stream) throw new RecordDamage(`${path} belongs to ${header.ended}`);
  if (header.bytes !== bodyBytes) throw new RecordDamage(`${path} has ${bodyBytes} bytes of events instead of ${header.bytes}`);
  return header;
}

/** Reads and checks a whole ended stream. Undefined when there is no such file. @throws RecordDamage */
export async function readEnded(path: string, stream: string, sink: (record: LogRecord) => void): Promise<EndedHeader | undefined> {
  let data: Buffer;
  try {
    data = await readFile(path);
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
  let start = data.indexOf(10) + 1;
  const header = checkHeader(data.toString("utf8", 0, start), path, stream, data.length - start);
  let tail: Tail = START;
  while (start < data.length) {
    const newline = data.indexOf(10, start);
    const end = newline === -1 ? data.length : newline + 1;
    const step = advance(tail, data.toString("utf8", start, end), `${path} at byte ${start}`);
    tail = step.tail;
    sink(step.record);
    start = end;
  }
  if (tail.end === undefined || tail.next !== header.events || tail.sum !== header.last)
    throw new RecordDamage(`${path} does not end as it should`);
  return header;
}
