import { readdirSync, readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { eventually, printed, withBed } from "./support/bed.ts";
import { Child } from "./support/child.ts";

const VALUES = { LITERAL: "s3cr3t-literal-9f1", FROM_ENV: "s3cr3t-env-9f2", FROM_FILE: "s3cr3t-file-9f3", FROM_REF: "s3cr3t-ref-9f4" };

/** Checks that it has what it should, and prints it: redacting what a script prints is its own business, so it prints digests. */
const USES = [
  "import hashlib, json, os, sys, time",
  "print(json.dumps({k: hashlib.sha256(os.environ[k].encode()).hexdigest() for k in sys.argv[2:]}), flush=True)",
  "print('ready', flush=True)",
  "time.sleep(float(sys.argv[1]))",
];

async function filesWith(dir: string, words: string[]): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => [])) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const text = await readFile(path, "latin1").catch(() => "");
    if (words.some((word) => text.includes(word))) found.push(path);
  }
  return found;
}

function commandLinesWith(words: string[]): string[] {
  const found: string[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const text = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      if (words.some((word) => text.includes(word))) found.push(text.replaceAll("\0", " "));
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

describe("secrets", () => {
  it("reach the training, and are nowhere on disk, in logs, in command lines, events or errors", () =>
    withBed(
      async (bed) => {
        process.env.RUNCTL_TEST_SECRET = VALUES.FROM_ENV;
        try {
          const outside = join(bed.dir, "elsewhere.txt");
          const { writeFile, rm } = await import("node:fs/promises");
          await writeFile(outside, `${VALUES.FROM_FILE}\n`);
          const spec = await bed.script(USES, {
            args: ["600", ...Object.keys(VALUES)],
            secrets: {
              LITERAL: VALUES.LITERAL,
              FROM_ENV: { env: "RUNCTL_TEST_SECRET" },
              FROM_FILE: { file: outside },
              FROM_REF: { ref: "vault/x" },
            },
          });
          const run = await bed.runctl.train(spec);
          await printed(run, "ready");
          // From here on only our own parts may hold the values.
          await rm(outside);
          const { createHash } = await import("node:crypto");
          const words = Object.values(VALUES);
          const log = await readLog(run);
          for (const value of words) expect(log).toContain(createHash("sha256").update(value).digest("hex"));
          const status = JSON.stringify([await run.status(), await bed.runctl.plan(spec), await bed.runctl.resources.export("json")]);
          expect(commandLinesWith(words)).toEqual([]);
          expect(await filesWith(bed.dir, words)).toEqual([]);
          await run.cancel();
          const events: unknown[] = [];
          for await (const event of run.events()) events.push(event);
          const said = JSON.stringify([status, events, await run.result(), log]);
          for (const value of words) expect(said).not.toContain(value);
          expect(await filesWith(bed.dir, words)).toEqual([]);
        } finally {
          delete process.env.RUNCTL_TEST_SECRET;
        }
      },
      { runctl: { resolveSecret: async (ref) => (ref === "vault/x" ? VALUES.FROM_REF : "") } },
    ));

  it("errors of a resolver that fails do not tell, and the run waits for secrets", () =>
    withBed(async (bed) => {
      const logged: unknown[] = [];
      const quiet = bed.open({
        logger: { warn: (...args) => void logged.push(args), error: (...args) => void logged.push(args) },
        resolveSecret: async () => {
          throw new Error(`vault said ${VALUES.FROM_REF}`);
        },
      });
      const run = await quiet.train(await bed.script(USES, { args: ["0", "TOKEN"], secrets: { TOKEN: { ref: "vault/x" } } }));
      await eventually(async () => expect((await run.status()).status).toBe("needs-secrets"));
      expect(JSON.stringify(logged)).not.toContain(VALUES.FROM_REF);
      expect(await filesWith(bed.dir, [VALUES.FROM_REF])).toEqual([]);
      await run.cancel();
      await bed.mustBeEmpty();
    }));

  it("literal values die with their process: the next attempt needs them, and attach({ secrets }) goes on", () =>
    withBed(async (bed) => {
      const spec = await bed.script([...USES, "sys.exit(0)"], { args: ["600", "TOKEN"], secrets: { TOKEN: VALUES.LITERAL } });
      const child = await Child.start("client.ts", { dir: bed.dir, mode: "train", spec });
      const runId = await child.word<string>("recorded");
      const watcher = bed.open();
      const run = await watcher.attach(runId, { drive: false });
      await printed(run, "ready");
      child.process.kill("SIGKILL");
      await child.ended;
      await bed.provider.simulateInterruption((await bed.machines())[0] ?? "");
      const next = bed.open();
      const going = await next.attach(runId);
      await eventually(async () => expect((await going.status()).status).toBe("needs-secrets"));
      const supplied = await next.attach(runId, { secrets: { TOKEN: VALUES.LITERAL } });
      await eventually(async () => {
        const seen = await supplied.status();
        expect([seen.status, seen.attempt]).toEqual(["running", 2]);
      });
      await printed(supplied, "ready");
      expect(await filesWith(bed.dir, [VALUES.LITERAL])).toEqual([]);
      await supplied.cancel();
      await bed.mustBeEmpty();
    }));
});

async function readLog(run: { logs(options: { follow: boolean }): AsyncIterable<{ text: string }> }): Promise<string> {
  let text = "";
  for await (const line of run.logs({ follow: false })) text += `${line.text}\n`;
  return text;
}
