import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RunctlError } from "@runctl/core";
import { describe, expect, it } from "vitest";
import { COUNTING, output, printed, WAITING, withBed } from "./support/bed.ts";
import { HOUR, JumpingClock } from "./support/jumping-clock.ts";

/** The typed error of a call that must be refused. */
async function refusal(call: Promise<unknown>): Promise<RunctlError> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!RunctlError.is(outcome)) throw new Error(`not refused with a typed error: ${String(outcome)}`);
  expect(outcome.fix.length).toBeGreaterThan(0);
  return outcome;
}

describe.concurrent("bad input", () => {
  it("a missing script, a script outside the root, a folder, are refused before anything is made", () =>
    withBed(async (bed) => {
      await mkdir(join(bed.root, "folder"));
      await writeFile(join(bed.dir, "outside.py"), "print(1)");
      await symlink(join(bed.dir, "outside.py"), join(bed.root, "link.py"));
      expect((await refusal(bed.runctl.train({ script: join(bed.root, "missing.py"), root: bed.root }))).what).toContain("missing.py");
      expect((await refusal(bed.runctl.train({ script: join(bed.dir, "outside.py"), root: bed.root }))).what).toContain("outside.py");
      expect((await refusal(bed.runctl.train({ script: "../outside.py", root: bed.root }))).what).toContain("outside.py");
      expect((await refusal(bed.runctl.train({ script: join(bed.root, "folder"), root: bed.root }))).what).toContain("folder");
      expect((await refusal(bed.runctl.train({ script: join(bed.root, "link.py"), root: bed.root }))).what).toContain("link.py");
      expect(await bed.machines()).toEqual([]);
    }));

  it(
    "a root of 10,000 files is staged, and all of them arrive",
    () =>
      withBed(async (bed) => {
        for (let folder = 0; folder < 100; folder++) {
          await mkdir(join(bed.root, `d${folder}`));
          await Promise.all(Array.from({ length: 100 }, (_, n) => writeFile(join(bed.root, `d${folder}`, `f${n}`), `${folder}/${n}`)));
        }
        const run = await bed.runctl.train(await bed.script(["import os", "print(sum(len(f) for _, _, f in os.walk('.')))"]));
        const result = await run.result();
        expect(Number(result.logTail.at(-1))).toBeGreaterThanOrEqual(10_001);
        expect(result.status).toBe("succeeded");
      }),
    60_000,
  );

  it("an unreadable file in the root is refused by name", ({ skip }) => {
    skip(process.getuid?.() === 0, "root may read every file; run the tests as another user");
    return withBed(async (bed) => {
      await chmod(await bed.file("locked.bin", "x"), 0);
      expect((await refusal(bed.runctl.train(await bed.script(["print(1)"])))).what).toContain("locked.bin");
    });
  });

  it("no python3 on the machine fails the run with the cure, and leaves nothing", async () => {
    // Everything that a shell needs, and no Python.
    const bin = await mkdtemp(join(tmpdir(), "runctl-bin-"));
    for (const folder of ["/bin", "/usr/bin"]) {
      for (const name of await readdir(folder))
        if (!/python|pyenv/.test(name)) await symlink(join(folder, name), join(bin, name)).catch(() => undefined);
    }
    try {
      await withBed(
        async (bed) => {
          const result = await (await bed.runctl.train(await bed.script(["print(1)"]))).result();
          expect(result.status).toBe("failed");
          expect(result.error?.code).toBe("RUNCTL_CONFIGURATION");
          expect(result.error?.what).toContain("python3");
          expect(result.error?.fix.join()).toContain("install");
          await bed.mustBeEmpty();
        },
        { local: { env: { PATH: bin } } },
      );
    } finally {
      await rm(bin, { recursive: true });
    }
  });

  it("a command that does not exist fails with its name", () =>
    withBed(async (bed) => {
      await bed.script(["print(1)"]);
      const result = await (await bed.runctl.train({ command: ["no-such-program", "x"], root: bed.root })).result();
      expect(result.status).toBe("failed");
      expect(result.error?.what).toContain("no-such-program");
      await bed.mustBeEmpty();
    }));

  it("names with spaces, quotes, newlines, emoji and leading dashes are staged, run and collected", () =>
    withBed(async (bed) => {
      const odd = '-- it\'s "odd"\n😀 $(touch pwned) ü.py';
      await bed.file(`${odd}.d/data`, "content");
      const spec = await bed.script(
        [
          "import os, sys",
          "print(open(sys.argv[1] + '.d/data').read())",
          "open(os.environ['RUNCTL_OUTPUT_DIR'] + '/' + sys.argv[1], 'w').write('out')",
        ],
        { args: [odd], name: "näme '\"\n", labels: { "k ey": "v\nalue" }, env: { ODD: "$(id) \n'" } },
        odd,
      );
      const run = await bed.runctl.train(spec).catch((error: unknown) => error);
      if (RunctlError.is(run)) {
        // A name that tags cannot hold may be refused, with the reason.
        expect(run.what).toMatch(/name|label/);
        const { name: _name, labels: _labels, ...rest } = spec;
        const again = await bed.runctl.train(rest);
        expect(await output(again)).toEqual(["content"]);
        expect(existsSync(join(bed.storeOf(again.id), "outputs", odd))).toBe(true);
      } else if (run instanceof Error) throw run;
      else expect(await output(run as Awaited<ReturnType<typeof bed.runctl.train>>)).toEqual(["content"]);
      expect(existsSync(join(bed.root, "pwned"))).toBe(false);
    }));

  it(
    "100 MB of output without a newline stay bounded lines, and nothing is lost",
    () =>
      withBed(async (bed) => {
        const spec = await bed.script(["import os", "for _ in range(100): os.write(1, b'x' * 1000000)"]);
        const run = await bed.runctl.train(spec);
        let bytes = 0;
        let longest = 0;
        for await (const line of run.logs()) {
          if (line.source === "setup") continue;
          bytes += line.text.length;
          longest = Math.max(longest, line.text.length);
        }
        expect(bytes).toBe(100_000_000);
        expect(longest).toBeLessThanOrEqual(65_536);
        const result = await run.result();
        expect(result.status).toBe("succeeded");
        expect(result.logTail.join("").length).toBeLessThan(8_000_000);
      }),
    120_000,
  );

  it("binary output breaks nothing", () =>
    withBed(async (bed) => {
      const run = await bed.runctl.train(
        await bed.script(["import os", "os.write(1, bytes(range(256)) * 20 + b'\\n\\xff\\xfe\\x00end\\n')"]),
      );
      const lines = await output(run);
      expect(lines.at(-1)).toMatch(/end$/);
      expect((await run.result()).status).toBe("succeeded");
    }));

  it("a clock that jumps a day ahead and back in the middle of a run changes neither its end nor its single attempt", () => {
    const clock = new JumpingClock();
    return withBed(
      async (bed) => {
        const run = await bed.runctl.train(await bed.script(COUNTING, { args: ["20", "0.1"], maxDuration: "10m" }), { until: "running" });
        await printed(run, "step 2");
        clock.jump(24 * HOUR);
        await printed(run, "step 10");
        clock.jump(-48 * HOUR);
        const result = await run.result();
        expect(result.status).toBe("succeeded");
        expect(result.attempts).toHaveLength(1);
        expect(result.cost.known.amount).toBeGreaterThanOrEqual(0);
        await bed.mustBeEmpty();
      },
      { runctl: { clock } },
    );
  });

  it("specs that make no sense name the field and an example", () =>
    withBed(async (bed) => {
      const spec = await bed.script(WAITING);
      const bad: Array<[object, RegExp]> = [
        [{ args: "--epochs 5" }, /args/],
        [{ maxDuration: "soon" }, /maxDuration/],
        [{ checkpoints: { dir: "../x" } }, /checkpoints\.dir/],
        [{ outputs: [{ from: "/etc", to: "x" }] }, /outputs/],
        [{ inputs: [{ from: "data", to: "../../x" }] }, /inputs/],
        [{ budget: { maxCost: -1 } }, /budget\.maxCost/],
        [{ colour: "red" }, /colour/],
        [{ provider: "nowhere" }, /nowhere/],
        [{ machine: "local/machine/nothing" }, /nothing/],
        [{ env: { "A=B": "x" } }, /env/],
        [{ command: ["x"] }, /command|script/],
      ];
      for (const [change, says] of bad) expect((await refusal(bed.runctl.train({ ...spec, ...change }))).message).toMatch(says);
      expect(await bed.machines()).toEqual([]);
    }));
});
