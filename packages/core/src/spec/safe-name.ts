/** Lower-case letters, digits, "-", "_" and ".", beginning with a letter or digit, at most 64: fit for tags, folders and keys. */
export function safeName(text: string, fallback: string): string {
  const safe = text
    .normalize("NFKD")
    .replace(/\p{Mark}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[^a-z0-9]+/, "")
    .slice(0, 64)
    .replace(/[-.]+$/, "");
  return safe === "" ? fallback : safe;
}
