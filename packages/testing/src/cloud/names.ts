import { TAGS } from "@runctl/core/provider";

// A letter for each of our tags: clouds allow names of about 190 characters.
const LETTERS: ReadonlyArray<[letter: string, tag: string]> = Object.values(TAGS).map((tag, index) => [
  String.fromCharCode(97 + index),
  tag,
]);
const SEPARATOR = "~";

/** Our tags written into a name, for clouds that have no tags. A user's own labels find no room. */
export function nameWithTags(name: string, tags: Record<string, string>): string {
  const parts = LETTERS.flatMap(([letter, tag]) => (tags[tag] === undefined ? [] : [`${letter}${escaped(tags[tag])}`]));
  return [name, ...parts].join(SEPARATOR);
}

/** encodeURIComponent leaves our separator as it is. */
function escaped(value: string): string {
  return encodeURIComponent(value).replaceAll(SEPARATOR, "%7E");
}

/** The name and the tags in it; a stranger's name has none. */
export function readName(native: string): { name: string; tags: Record<string, string> } {
  const [name = "", ...parts] = native.split(SEPARATOR);
  const tags: Record<string, string> = {};
  for (const part of parts) {
    const tag = LETTERS.find(([letter]) => letter === part[0])?.[1];
    if (tag === undefined) return { name: native, tags: {} };
    try {
      tags[tag] = decodeURIComponent(part.slice(1));
    } catch {
      return { name: native, tags: {} };
    }
  }
  return { name, tags };
}

/** Whether `nameWithTags` keeps this tag. */
export function fitsName(tag: string): boolean {
  return LETTERS.some(([, known]) => known === tag);
}
