import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readIfExists } from "./durable-files.ts";
import { advance, type LogRecord, RecordDamage, START, type Tail } from "./log-record.ts";
import { recordName, recordSeq } from "./state-layout.ts";
import { errnoCode } from "./storage-failure.ts";

/** Records read at once: bounds memory and open files. */
const CHUNK = 64;

export type RecordSink = (record: LogRecord, text: string) => void | Promise<void>;

/** Numbers of the record files in an events folder, ascending; undefined when the folder is not there. */
async function recordNumbers(events: string): Promise<number[] | undefined> {
  let names: string[];
  try {
    names = await readdir(events);
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
  const numbers: number[] = [];
  for (const name of names) {
    const seq = recordSeq(name);
    if (seq !== undefined) numbers.push(seq);
  }
  return numbers.sort((a, b) => a - b);
}

/** Follows the log from `tail` by opening the next number until there is none. For short catch-ups. @throws RecordDamage */
export async function followLog(events: string, tail: Tail, sink: RecordSink): Promise<Tail> {
  let at = tail;
  while (at.end === undefined) {
    const path = join(events, recordName(at.next));
    const text = await readIfExists(path);
    if (text === undefined) return at;
    const step = advance(at, text, path);
    at = step.tail;
    await sink(step.record, text);
  }
  return at;
}

/**
 * Reads and checks a live log from the folder's listing, gaps included. Begins at the record that holds event `from`; a beginning in
 * the middle is only for logs that were checked before. Undefined when there is no folder. @throws RecordDamage
 */
export async function scanLog(events: string, from: number, sink: RecordSink): Promise<Tail | undefined> {
  const numbers = await recordNumbers(events);
  if (numbers === undefined) return undefined;
  let begin = 0;
  while (begin + 1 < numbers.length && (numbers[begin + 1] ?? 0) <= from) begin += 1;
  let tail: Tail = begin === 0 ? START : { next: numbers[begin] ?? 0, sum: undefined };

  const take = async (text: string | undefined, path: string): Promise<void> => {
    if (text === undefined) throw new RecordDamage(`event ${tail.next} is missing`);
    const step = advance(tail, text, path);
    tail = step.tail;
    await sink(step.record, text);
  };

  for (let at = begin; at < numbers.length; at += CHUNK) {
    const chunk = numbers.slice(at, at + CHUNK);
    const texts = await Promise.all(chunk.map((seq) => readIfExists(join(events, recordName(seq)))));
    for (const [index, seq] of chunk.entries()) {
      // A listing taken while others append may lack a name: it counts as missing only if it cannot be opened either.
      while (tail.next < seq && tail.end === undefined) {
        const path = join(events, recordName(tail.next));
        await take(await readIfExists(path), path);
      }
      await take(texts[index], join(events, recordName(seq)));
    }
  }
  return followLog(events, tail, sink);
}
