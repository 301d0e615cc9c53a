import { compareBytes } from "@runctl/core/seams";

/** The part of a key up to its fifth slash names its shelf: each run's objects ("memory://world/runs/<id>/…") have one of their own. */
const SHELF_SLASHES = 5;

/** Keys found by prefix, in byte order, without a look at all of them: a thousand runs have a hundred thousand objects. */
export class SortedKeys {
  readonly #shelves = new Map<string, string[]>();

  /** Adds a key that is not there yet. */
  add(key: string): void {
    const name = shelfOf(key);
    const shelf = this.#shelves.get(name) ?? [];
    this.#shelves.set(name, shelf);
    // Most keys come in order.
    const last = shelf.at(-1);
    if (last === undefined || compareBytes(last, key) < 0) shelf.push(key);
    else shelf.splice(firstFrom(shelf, key), 0, key);
  }

  delete(key: string): void {
    const name = shelfOf(key);
    const shelf = this.#shelves.get(name) ?? [];
    const at = firstFrom(shelf, key);
    if (shelf[at] === key) shelf.splice(at, 1);
    if (shelf.length === 0) this.#shelves.delete(name);
  }

  /** Keys that begin with `prefix` and come after `after`, as of now. */
  below(prefix: string, after = ""): string[] {
    const own = shelfOf(prefix);
    if (isWholeShelf(own)) return onShelf(this.#shelves.get(own) ?? [], prefix, after);
    const found: string[] = [];
    for (const [name, shelf] of this.#shelves) {
      if (name.startsWith(prefix) || prefix.startsWith(name)) found.push(...onShelf(shelf, prefix, after));
    }
    return found.sort(compareBytes);
  }
}

function onShelf(shelf: readonly string[], prefix: string, after: string): string[] {
  const found: string[] = [];
  for (let at = firstFrom(shelf, after > prefix ? after : prefix); at < shelf.length; at += 1) {
    const key = shelf[at] as string;
    if (!key.startsWith(prefix)) break;
    if (key !== after) found.push(key);
  }
  return found;
}

/** Up to the fifth slash, that included; of a key with fewer up to its last. */
function shelfOf(key: string): string {
  let end = 0;
  for (let slashes = 0; slashes < SHELF_SLASHES; slashes += 1) {
    const next = key.indexOf("/", end);
    if (next === -1) break;
    end = next + 1;
  }
  return key.slice(0, end);
}

function isWholeShelf(name: string): boolean {
  return name.split("/").length > SHELF_SLASHES;
}

/** Place of the first key that is not before `key`. */
function firstFrom(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareBytes(keys[middle] as string, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
