import { EXPORT_COLUMNS, type ExportData } from "./export-rows.ts";

/** RFC 4180: CRLF, quotes doubled. A cell that a spreadsheet would run as a formula begins with an apostrophe instead. */
export function toCsv(data: ExportData): string {
  const lines = [EXPORT_COLUMNS.join(","), ...data.resources.map((row) => EXPORT_COLUMNS.map((column) => csvCell(row[column])).join(","))];
  return `${lines.join("\r\n")}\r\n`;
}

/** One cell, quoted where it has to be. Names and tags come from strangers: =, +, -, @, tab and return must not begin a cell. */
export function csvCell(value: string): string {
  const harmless = /^\s*[=+\-@]|^[\t\r\n]/.test(value) ? `'${value}` : value;
  return /[",\r\n]|^\s|\s$/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
