import { MAX_READ, type ReadAt, torn, unproven, type Verdict } from "./verdict.ts";

/** Parsed JSON as Python writes it: NaN and Infinity are let through. Throws SyntaxError. */
export function parsePythonJson(bytes: Uint8Array): unknown {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  try {
    return JSON.parse(text);
  } catch (error) {
    // Outside of strings only: a string is matched first and kept as it is.
    const plain = text.replace(/"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/gs, (part) => (part.startsWith('"') ? part : "0"));
    if (plain === text) throw error;
    return JSON.parse(plain);
  }
}

/** Whole when it parses; beyond 16 MiB only its last character is looked at. */
export async function judgeJson(size: number, read: ReadAt): Promise<Verdict> {
  const format = "json";
  if (size > MAX_READ) {
    const tail = Buffer.from(await read(size - 64, 64))
      .toString("latin1")
      .replace(/[ \t\r\n]+$/, "");
    if (tail.endsWith("}") || tail.endsWith("]")) return unproven(format, "it is too large to parse");
    return torn(format, "it does not end as JSON does");
  }
  let value: unknown;
  try {
    value = parsePythonJson(await read(0, size));
  } catch {
    return torn(format, "it is not JSON");
  }
  return { status: "complete", format, step: stepInside(value) };
}

function stepInside(value: unknown): number | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  for (const key of ["step", "global_step", "iteration", "epoch"]) {
    const found = (value as Record<string, unknown>)[key];
    if (typeof found === "number" && Number.isSafeInteger(found) && found >= 0) return found;
  }
  return undefined;
}
