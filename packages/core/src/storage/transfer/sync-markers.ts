import { appendFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256Hex } from "../../util/hash.ts";
import { type Random, randomId } from "../../util/random.ts";

interface Marker {
  source: string;
  target: string;
}

/**
 * Remembers which version of a source became which version of a target, so that the next sync skips it without reading either.
 * A cache: a marker counts only while both versions are still what it says. One line an object, so that a kill loses at most one.
 */
export class SyncMarkers {
  readonly #file: string | undefined;
  readonly #random: Random;
  readonly #markers = new Map<string, Marker>();
  #lines = 0;

  private constructor(file: string | undefined, random: Random) {
    this.#file = file;
    this.#random = random;
  }

  /** Loads the markers of a pair of folders; without `cacheDir` they live in memory only. */
  static async load(cacheDir: string | undefined, from: string, to: string, random: Random): Promise<SyncMarkers> {
    const markers = new SyncMarkers(
      cacheDir === undefined ? undefined : join(cacheDir, `sync-${sha256Hex(`${from}\0${to}`).slice(0, 20)}.jsonl`),
      random,
    );
    if (cacheDir !== undefined) await markers.#load(cacheDir);
    return markers;
  }

  async #load(cacheDir: string): Promise<void> {
    await mkdir(cacheDir, { recursive: true, mode: 0o700 }).catch(() => undefined);
    const text = await readFile(this.#file ?? "", "utf8").catch(() => "");
    for (const line of text.split("\n")) {
      try {
        const [key, source, target] = JSON.parse(line) as unknown[];
        if (typeof key !== "string" || typeof source !== "string" || typeof target !== "string") continue;
        this.#markers.set(key, { source, target });
        this.#lines += 1;
      } catch {
        // A line torn by a kill.
      }
    }
  }

  /** True when this very source version was copied and the target has not changed since. */
  matches(key: string, source: string, target: string): boolean {
    const found = this.#markers.get(key);
    return found?.source === source && found.target === target;
  }

  async set(key: string, source: string, target: string): Promise<void> {
    this.#markers.set(key, { source, target });
    this.#lines += 1;
    // The newline comes first, so that a torn line before it does not swallow this one.
    if (this.#file !== undefined) await appendFile(this.#file, `\n${JSON.stringify([key, source, target])}`).catch(() => undefined);
  }

  /** Rewrites the file when most of its lines are history. */
  async compact(): Promise<void> {
    if (this.#file === undefined || this.#lines < 2 * this.#markers.size + 100) return;
    const tmp = `${this.#file}.${randomId(this.#random, 10)}.tmp`;
    try {
      await writeFile(tmp, [...this.#markers].map(([key, marker]) => JSON.stringify([key, marker.source, marker.target])).join("\n"));
      await rename(tmp, this.#file);
    } catch {
      await rm(tmp, { force: true });
    }
  }
}
