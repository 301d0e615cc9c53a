import type { z } from "zod";
import type { HostObservation } from "./host-client.ts";
import { exitSchema, finalSchema, type HostEvent, hostEventSchema, noticeSchema, statusSchema } from "./records.ts";

/** What OBSERVE_SH printed, as facts. Records of another version or half an event line count as not there yet. */
export function parseObservation(text: string, eventsOffset: number): HostObservation {
  const begin = text.indexOf("events\n", text.startsWith("events\n") ? 0 : Math.max(0, text.indexOf("\nevents\n")));
  const head = begin < 0 ? text : text.slice(0, begin);
  const rest = begin < 0 ? "" : text.slice(begin + "events\n".length);
  const last = rest.lastIndexOf("\nfinal {");
  const final = last < 0 ? undefined : parseRecord(finalSchema, rest.slice(last + "\nfinal ".length));
  const lines = last < 0 ? rest : rest.slice(0, last + 1);
  const records = new Map<string, string>();
  const alive = { guardian: false, supervisor: false, runner: false };
  for (const line of head.split("\n")) {
    const space = line.indexOf(" ");
    if (space < 0) continue;
    const [name, value] = [line.slice(0, space), line.slice(space + 1)];
    if (name !== "alive") records.set(name, value);
    else if (value === "guardian" || value === "supervisor" || value === "runner") alive[value] = true;
  }
  const { events, read } = parseEvents(lines);
  return {
    exists: true,
    alive,
    status: parseRecord(statusSchema, records.get("status")),
    notice: parseRecord(noticeSchema, records.get("notice")),
    exit: parseRecord(exitSchema, records.get("exit")),
    final,
    events,
    eventsOffset: eventsOffset + read,
    mark: records.get("mark"),
  };
}

function parseRecord<T>(schema: z.ZodType<T>, text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** Whole lines only; a line that this version does not know is passed over. Lines are ASCII, so characters are bytes. */
function parseEvents(text: string): { events: HostEvent[]; read: number } {
  const events: HostEvent[] = [];
  let read = 0;
  for (;;) {
    const end = text.indexOf("\n", read);
    // The script ends its output with one newline of its own: an empty line is no event.
    if (end < 0 || end === read) return { events, read };
    const line = text.slice(read, end);
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      // The agent is writing it: the script's newline ended half a line. Anything after it means that it is simply broken.
      if (text.indexOf("\n", end + 1) < 0) return { events, read };
      read = end + 1;
      continue;
    }
    const parsed = hostEventSchema.safeParse(value);
    if (parsed.success) events.push(parsed.data);
    read = end + 1;
  }
}
