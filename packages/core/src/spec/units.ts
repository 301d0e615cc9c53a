import { invalidValue } from "./invalid.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const DURATION_UNITS = new Map<string, number>(
  (
    [
      [["ms", "millisecond", "milliseconds"], 1],
      [["s", "sec", "secs", "second", "seconds"], SECOND],
      [["m", "min", "mins", "minute", "minutes"], MINUTE],
      [["h", "hr", "hrs", "hour", "hours"], HOUR],
      [["d", "day", "days"], DAY],
      [["w", "week", "weeks"], 7 * DAY],
    ] as const
  ).flatMap(([names, ms]) => names.map((name): [string, number] => [name, ms])),
);

/** Ten years: longer is a slip of the pen, and timers and ISO dates stay exact below it. */
const MAX_DURATION = 3653 * DAY;

/**
 * Milliseconds of a duration: a number of milliseconds, or text such as "90s", "10m", "2h", "7d", "1h30m", "1.5h".
 * Units: ms, s, m, h, d, w and their English names. The result is a whole number.
 * @throws ValidationError naming `field`, value, type and an example.
 */
export function parseDuration(value: unknown, field: string): number {
  const refuse = (why: string, fix?: string[]) =>
    invalidValue({ field, value, expected: "a duration (milliseconds, or text with a unit)", example: '"10m"', why, fix });
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw refuse("A duration is finite.", [`Leave ${field} out where no limit is meant.`]);
    return checkedDuration(value, refuse);
  }
  if (typeof value !== "string") throw refuse("Only numbers and text are durations.");
  const text = value.trim();
  if (text.length > 64) throw refuse("The text is too long to be a duration.");
  if (/^[+-]?\d+(\.\d+)?$/.test(text)) throw refuse("The text has no unit.", [`Add one: "${text}s", "${text}m" or "${text}h"`]);
  let total = 0;
  let previous = Number.POSITIVE_INFINITY;
  let rest = text;
  while (rest !== "") {
    const part = /^(\d+(?:\.\d+)?)\s*([A-Za-zµ]+)\s*/.exec(rest);
    if (part === null) throw refuse('The text is not a number followed by a unit, as in "90s" or "1h30m".');
    const unit = DURATION_UNITS.get(part[2] as string);
    if (unit === undefined) throw refuse(`"${part[2] as string}" is no unit of time; the units are ms, s, m, h, d, w.`);
    if (unit >= previous) throw refuse("Units stand in falling order, each once.");
    previous = unit;
    total += Number(part[1]) * unit;
    rest = rest.slice(part[0].length);
  }
  if (text === "") throw refuse("The text is empty.");
  return checkedDuration(total, refuse);
}

function checkedDuration(ms: number, refuse: (why: string) => Error): number {
  if (ms < 0) throw refuse("A duration is not negative.");
  if (ms > MAX_DURATION) throw refuse("Durations end at ten years.");
  return Math.round(ms);
}

/** "1h30m" for 5 400 000: exact, and read back by parseDuration. */
export function formatDuration(ms: number): string {
  let rest = Math.max(0, Math.round(ms));
  let text = "";
  for (const [unit, size] of [
    ["d", DAY],
    ["h", HOUR],
    ["m", MINUTE],
    ["s", SECOND],
    ["ms", 1],
  ] as const) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text === "" ? "0s" : text;
}

const SIZE_PREFIXES = ["", "k", "m", "g", "t", "p", "e"];

/**
 * Bytes of a size: a whole number of bytes, or text such as "16GiB", "500MB", "1.5TB", "512 B".
 * "GB" and "G" are decimal (1000³), "GiB" and "Gi" binary (1024³); letter case does not matter.
 * @throws ValidationError naming `field`, value, type and an example.
 */
export function parseSize(value: unknown, field: string): number {
  const refuse = (why: string, fix?: string[]) =>
    invalidValue({ field, value, expected: "a size (bytes, or text with a unit)", example: '"16GiB"', why, fix });
  if (typeof value === "number") return checkedSize(value, refuse);
  if (typeof value !== "string") throw refuse("Only numbers and text are sizes.");
  const text = value.trim();
  if (text.length > 64) throw refuse("The text is too long to be a size.");
  if (/^\d+(\.\d+)?$/.test(text))
    throw refuse("The text has no unit.", [`Add one: "${text}GiB", or write the number of bytes without quotes`]);
  const match = /^(\d+(?:\.\d+)?)\s*([kmgtpe]?)(i?)(b?)$/i.exec(text);
  const [, digits, prefix = "", binary = "", byte = ""] = match ?? [];
  if (match === null || (prefix === "" && (binary !== "" || byte === ""))) {
    throw refuse("The units are B, kB, MB, GB, TB, PB (powers of 1000) and KiB, MiB, GiB, TiB, PiB (powers of 1024).");
  }
  return checkedSize(Math.round(Number(digits) * (binary === "" ? 1000 : 1024) ** SIZE_PREFIXES.indexOf(prefix.toLowerCase())), refuse);
}

function checkedSize(bytes: number, refuse: (why: string) => Error): number {
  if (!Number.isFinite(bytes) || bytes < 0) throw refuse("A size is finite and not negative.");
  if (!Number.isInteger(bytes)) throw refuse("Bytes come whole.");
  if (bytes > Number.MAX_SAFE_INTEGER) throw refuse("Sizes end at 8 PiB.");
  return bytes;
}

/** "1.5 GiB" for people; two digits after the point at most, so it is not exact. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < SIZE_PREFIXES.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const prefix = (SIZE_PREFIXES[unit] ?? "").toUpperCase();
  return unit === 0 ? `${bytes} B` : `${Number(value.toFixed(2))} ${prefix}iB`;
}
