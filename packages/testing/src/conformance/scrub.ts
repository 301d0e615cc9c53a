/** What stands in a recording where a secret was. */
export const SCRUBBED = "[scrubbed]";

const NAMES = /(secret|password|passwd|token|authorization|cookie|credential|api[-_]?key|private[-_]?key|signature)/i;
// Names that only sound like it: ours, and shown in every listing.
const HARMLESS = /^(identity|nextToken|tokens|tagsAtCreate)$/;
const FORMS = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g,
  /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g,
  /\b(?:Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}/g,
  /\b(?:sk|ghp|gho|xox[abp]|hf|rpa)[-_][A-Za-z0-9_-]{8,}\b/g,
  /\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*/g,
  /([?&](?:X-Amz-(?:Signature|Credential|Security-Token)|sig|token|key)=)[^&\s"]+/gi,
];

/** A copy without secrets: values of telling names, well-known forms of keys, and the given secrets wherever they stand. */
export function scrub<T>(value: T, secrets: readonly string[] = []): T {
  // The longest first: a secret that contains another leaves nothing of itself.
  const known = [...secrets].filter((secret) => secret.length > 0).sort((a, b) => b.length - a.length);
  return walk(value, known) as T;
}

function walk(value: unknown, secrets: readonly string[]): unknown {
  if (typeof value === "string") return scrubText(value, secrets);
  if (Array.isArray(value)) return value.map((item) => walk(item, secrets));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [
      scrubText(key, secrets),
      NAMES.test(key) && !HARMLESS.test(key) && typeof part === "string" ? SCRUBBED : walk(part, secrets),
    ]),
  );
}

function scrubText(text: string, secrets: readonly string[]): string {
  let clean = text;
  for (const secret of secrets) clean = clean.replaceAll(secret, SCRUBBED);
  for (const form of FORMS)
    clean = clean.replace(form, (_, prefix: unknown) => (typeof prefix === "string" ? `${prefix}${SCRUBBED}` : SCRUBBED));
  return clean;
}
