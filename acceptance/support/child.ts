import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll } from "vitest";

const HERE = fileURLToPath(new URL("..", import.meta.url));
const bundles = new Map<string, Promise<string>>();
const folder = mkdtempSync(join(tmpdir(), "runctl-bundle-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** One file that starts in a tenth of the time that the sources take. */
export function bundled(entry: string): Promise<string> {
  const known = bundles.get(entry);
  if (known !== undefined) return known;
  const outfile = join(folder, entry.replace(/\.ts$/, ".mjs"));
  const made = build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    conditions: ["@runctl/source"],
  }).then(() => outfile);
  bundles.set(entry, made);
  return made;
}

/** A process of its own that says what it does: a word and JSON a line. */
export class Child {
  readonly process: ChildProcess;
  readonly said: Array<{ word: string; value: unknown }> = [];
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  stdout = "";
  stderr = "";
  readonly #waiting = new Set<() => void>();
  /** Its output is complete: only then is a word that was not said not going to be. */
  #isClosed = false;

  constructor(process_: ChildProcess) {
    this.process = process_;
    process_.stdout?.on("data", (chunk: Buffer) => this.#take(chunk.toString()));
    process_.stderr?.on("data", (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    this.ended = new Promise((resolve) => {
      process_.once("close", (code, signal) => {
        this.#isClosed = true;
        resolve({ code, signal });
        for (const wake of this.#waiting) wake();
      });
    });
  }

  static async start(entry: string, orders: unknown, options: { env?: Record<string, string> } = {}): Promise<Child> {
    const file = await bundled(entry);
    return new Child(
      spawn(process.execPath, [file, JSON.stringify(orders)], {
        cwd: HERE,
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, ...options.env },
      }),
    );
  }

  /** What followed the word, as soon as it is said. @throws when the process ends without. */
  word<T>(word: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = this.said.find((each) => each.word === word);
        if (found !== undefined) resolve(found.value as T);
        else if (this.#isClosed) reject(new Error(`The process ended without "${word}": ${this.stdout} ${this.stderr}`));
        else return;
        this.#waiting.delete(look);
      };
      this.#waiting.add(look);
      look();
    });
  }

  all<T>(word: string): T[] {
    return this.said.filter((each) => each.word === word).map((each) => each.value as T);
  }

  #rest = "";
  #take(text: string): void {
    this.stdout += text;
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const space = line.indexOf(" ");
      this.said.push({ word: line.slice(0, space), value: JSON.parse(line.slice(space + 1)) });
    }
    for (const wake of this.#waiting) wake();
  }
}
