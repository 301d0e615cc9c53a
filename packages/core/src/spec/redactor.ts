/** Takes secrets out of a text. */
export type Redactor = (text: string) => string;

/** Shorter values are words of the language: hiding "no" everywhere would hide the message. */
const MIN_LENGTH = 4;
/** Parts of an encoded form need more, since they are matched in the middle of other text. */
const MIN_PART = 8;

/**
 * A function that replaces every secret value by "***": as it is, JSON-escaped, URL-encoded, as base64 (also in the middle of a
 * longer one) and, for values of several lines, line by line. Values under 4 characters are left alone.
 */
export function redactor(values: Iterable<string>): Redactor {
  const forms = new Set<string>();
  for (const value of values) {
    for (const form of formsOf(value)) if (form.length >= MIN_LENGTH) forms.add(form);
  }
  if (forms.size === 0) return (text) => text;
  // Longest first: a value that contains another one must not leave its rest behind.
  const pattern = [...forms].sort((a, b) => b.length - a.length).map(escapeRegExp);
  const expression = new RegExp(pattern.join("|"), "g");
  return (text) => text.replace(expression, "***");
}

function formsOf(value: string): string[] {
  if (value.length < MIN_LENGTH) return [];
  const lines = value.split(/\r?\n/).filter((line) => line.length >= MIN_PART);
  return [value, value.trim(), JSON.stringify(value).slice(1, -1), ...urlForms(value), ...base64Forms(value), ...lines];
}

function urlForms(value: string): string[] {
  const strict = encodeURIComponent(value).replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
  const loose = encodeURIComponent(value);
  const forms = [strict, loose, encodeURI(value), loose.replaceAll("%20", "+"), new URLSearchParams([["", value]]).toString().slice(1)];
  return forms.flatMap((form) => [form, form.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())]);
}

// Base64 of "user:secret" holds the secret at one of three alignments; at each, its inner characters are always the same.
function base64Forms(value: string): string[] {
  const bytes = Buffer.from(value);
  const forms = [bytes.toString("base64"), bytes.toString("base64").replace(/=+$/, "")];
  for (let shift = 0; shift < 3; shift += 1) {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes]).toString("base64");
    const inner = encoded.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.length) * 8) / 6));
    if (inner.length >= MIN_PART) forms.push(inner);
  }
  return forms.flatMap((form) => [form, form.replaceAll("+", "-").replaceAll("/", "_")]);
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}
