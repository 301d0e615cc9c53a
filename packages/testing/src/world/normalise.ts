// The ids of core: see randomId in core's util/random.ts.
// A SHA-256 in lower-case hex is one as well: what it is made of holds ids.
const RANDOM_ID = /(?<![0-9A-Za-z])(?:[23456789bcdfghjkmnpqrstvwxyz]{16,32}|[0-9a-f]{64})(?![0-9A-Za-z])/g;

/**
 * Replaces random ids by their place in the order of first appearance, and known texts by what they stand for: two histories that
 * differ in nothing but their ids become equal.
 */
export class Normaliser {
  readonly #ids = new Map<string, string>();
  readonly #known: ReadonlyArray<readonly [string, string]>;

  constructor(known: ReadonlyArray<readonly [string, string]> = []) {
    this.#known = known;
  }

  text(text: string): string {
    let result = text;
    for (const [from, to] of this.#known) result = result.replaceAll(from, to);
    return result.replaceAll(RANDOM_ID, (id) => {
      const known = this.#ids.get(id) ?? `<${this.#ids.size}>`;
      this.#ids.set(id, known);
      return known;
    });
  }
}
