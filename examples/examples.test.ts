import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const here = fileURLToPath(new URL(".", import.meta.url));
const tsx = join(here, "..", "node_modules", "tsx", "dist", "cli.mjs");

/** What the end of each example's output must look like. */
const EXAMPLES: Record<string, RegExp> = {
  quickstart:
    /Finished: succeeded\n {2}attempts {7}2 \(interrupted, succeeded\)\n {2}resumed from {3}epoch-\d\d\.json \(verified, [\s\S]*accuracy {7}9\d\.\d %/,
  "resume-after-budget": /out-of-budget, saved step-\d+\.json\n[\s\S]*succeeded as a new run, resumed from step-\d+\.json\n$/,
  sweep: /best: rate 0\.0\d+, 6 runs, at most 2 at once\n$/,
  "follow-from-another-process": /nobody drives it\n[\s\S]* {2}step 1\/12 [\s\S]* {2}step 12\/12 loss=0\.0833\nsucceeded, exit code 0\n$/,
  "early-stopping": /stopped after \d\d? of 200 epochs, best accuracy [89]\d\.\d %, \d checkpoints kept\n$/,
  "costs-report": /together at least \$0\.\d{4}; prices not known: 1\ncosts\.csv: 3 rows, \d+ columns\ncosts\.html: a table\n$/,
  "cleanup-plan":
    /plan: 0 to delete, 2 kept\n[\s\S]*explain the forgotten one: may go\nexplain the precious one: .* protect\(\)\.\nrefused: .*\nleft running: 0\n$/,
  "third-party-provider": /succeeded: newest checkpoint step-2\.json, 0 machines left\n$/,
  secrets: /the script got it: true\nsearched all files of state, store and machine: the token is in 0 of them\n$/,
};

for (const [name, end] of Object.entries(EXAMPLES)) {
  it.concurrent(`examples/${name} runs and leaves nothing behind`, { timeout: 240_000 }, async ({ expect }) => {
    const { code, output, leftovers } = await run(name);
    expect(output, output).toMatch(end);
    expect(code).toBe(0);
    expect(leftovers).toEqual([]);
  });
}

/** These say why when the machine lacks what they need; where it has it, they must succeed. */
const CONDITIONAL: Record<string, RegExp> = {
  docker: /in a container, 3 numbers\nsucceeded: the sum is 42, 1 checkpoint\n$/,
  ddp: /2 processes: y = 3\.00 x \+ 1\.00\nsucceeded, \d checkpoints, newest epoch-40\.pt\n$/,
};

for (const [name, end] of Object.entries(CONDITIONAL)) {
  it.concurrent(`examples/${name} runs, or says what is missing here`, { timeout: 240_000 }, async (context) => {
    const { expect } = context;
    const { code, output, leftovers } = await run(name);
    const missing = /^skipped: (.+)$/m.exec(output)?.[1];
    expect(code).toBe(0);
    expect(leftovers).toEqual([]);
    if (missing !== undefined) context.skip(missing);
    expect(output, output).toMatch(end);
  });
}

it("every example has a script, a line in the README and a test", async () => {
  const { scripts } = (await import("./package.json", { with: { type: "json" } })).default;
  const folders = (await readdir(here, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && !["node_modules", "notebook"].includes(entry.name))
    .map((entry) => entry.name)
    .sort();
  expect(Object.keys(scripts).sort()).toEqual(folders);
  expect([...Object.keys(EXAMPLES), ...Object.keys(CONDITIONAL)].sort()).toEqual(folders);
});

/** Two at a time: most of an example is waiting for its training. */
const WIDTH = 2;
let running = 0;
const waiting: Array<() => void> = [];

interface Outcome {
  code: number | null;
  output: string;
  /** What runctl left in the temporary folder. */
  leftovers: string[];
}

/** Runs an example from the sources, with a temporary folder of its own, when it is its turn. */
async function run(name: string): Promise<Outcome> {
  while (running >= WIDTH) await new Promise<void>((resolve) => waiting.push(resolve));
  running += 1;
  const temp = await mkdtemp(join(tmpdir(), "examples-"));
  try {
    return await start(name, temp);
  } finally {
    await rm(temp, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    running -= 1;
    waiting.shift()?.();
  }
}

async function start(name: string, temp: string): Promise<Outcome> {
  const child = spawn(process.execPath, [tsx, "--conditions=@runctl/source", `${name}/main.ts`], {
    cwd: here,
    env: { ...process.env, TMPDIR: temp, NODE_OPTIONS: "" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    output += String(chunk);
  });
  const code = await new Promise<number | null>((done) => child.on("close", done));
  return { code, output, leftovers: (await readdir(temp)).filter((file) => file.startsWith("runctl-")) };
}
