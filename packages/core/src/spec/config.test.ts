import { execFile } from "node:child_process";
import { chownSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultConfig, writeDefaultConfig } from "./config-file.ts";
import { loadConfig } from "./load-config.ts";
import { resolveOptions } from "./resolve-options.ts";

let dir: string;
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), "runctl config ")));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const write = (name: string, text: string) => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};

describe("S-01", () => {
  test.each(["runctl.config.json", "runctl.config.mjs", "runctl.config.js", "runctl.config.ts"])(
    "defaults written to %s and loaded are the same",
    async (name) => {
      const path = join(dir, name);
      await writeDefaultConfig(path);
      const loaded = await loadConfig(path);
      expect(loaded).toEqual({ ...defaultConfig(), file: path, notices: [], unknownKeys: [] });
      const before = readFileSync(path, "utf8");
      await expect(writeDefaultConfig(path)).rejects.toMatchObject({ code: "RUNCTL_ALREADY_EXISTS" });
      expect(readFileSync(path, "utf8")).toBe(before);
    },
  );

  test("no file is all defaults", async () => {
    expect(await loadConfig(undefined, { cwd: dir })).toEqual({ ...defaultConfig(), notices: [], unknownKeys: [] });
  });

  test("a partial file loads with defaults, from a folder below as well", async () => {
    const path = write("runctl.config.json", '\uFEFF{"project": "p", "limits": {"maxRunning": 3}, "defaults": {"market": "spot"}}');
    mkdirSync(join(dir, "a/b"), { recursive: true });
    const config = await loadConfig(undefined, { cwd: join(dir, "a/b") });
    const base = defaultConfig();
    expect(config).toMatchObject({
      file: path,
      project: "p",
      thresholds: base.thresholds,
      limits: { maxRunning: 3, warnRunning: 10 },
      defaults: { ...base.defaults, market: "spot" },
    });
  });

  test.each<[string, RegExp]>([
    ['{"limits": {"maxRunning": 0}}', /limits.maxRunning must be a whole number from 1, but it is the number 0/],
    ['{"project": "my project"}', /project must be 1 to 64 letters.*"my project"/],
    ['{"budget": {"perDay": "50"}}', /budget.perDay must be a number above 0, in USD, but it is the string "50"/],
    ['{"defaults": {"market": "spott"}}', /defaults.market must be "on-demand", "spot"/],
    ['{"defaults": {"script": "x.py"}}', /defaults.script is given, but script belongs to one run/],
    ["[]", /must hold an object, but it holds array/],
    ['{"project": "secret-text", }', /is not valid JSON/],
  ])("a bad value names its key and fix: %s", async (text, message) => {
    const error = await loadConfig(write("runctl.config.json", text)).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "RUNCTL_CONFIGURATION", message: expect.stringMatching(message) });
    expect((error as { fix: string[] }).fix.length).toBeGreaterThan(0);
    expect(String(error)).not.toContain("secret-text");
  });

  test("unknown keys are reported with a suggestion and left out", async () => {
    const config = await loadConfig(
      write("runctl.config.json", '{"projct": "p", "limits": {"maxRuning": 3}, "defaults": {"checkpoints": {"dri": "x"}}}'),
    );
    expect(config.unknownKeys).toEqual(expect.arrayContaining(["projct", "limits.maxRuning", "defaults.checkpoints.dri"]));
    expect(config.notices?.map((notice) => `${notice.why}${notice.fix}`).join()).toMatch(/maxRunning[\s\S]*dir[\s\S]*Did you mean project/);
    expect(config).not.toHaveProperty("projct");
    expect(config.limits).toEqual({ maxRunning: 50, warnRunning: 10 });
    expect(() => resolveOptions({ ...config, providers: [{ specVersion: "v1", name: "cloud" } as never] })).not.toThrow();
  });

  test("a named file that is missing", async () => {
    await expect(loadConfig(join(dir, "runctl.config.json"))).rejects.toMatchObject({
      code: "RUNCTL_CONFIGURATION",
      what: expect.stringMatching(/does not exist/),
    });
    await expect(loadConfig(join(dir, "x.toml"))).rejects.toThrow(/no configuration file/);
    await expect(writeDefaultConfig(join(dir, "x.toml"))).rejects.toThrow(/no name for a configuration/);
    await expect(writeDefaultConfig(join(dir, "nowhere/runctl.config.json"))).rejects.toMatchObject({ code: "RUNCTL_STORAGE" });
  });

  test("a module without default export, and one that throws", async () => {
    await expect(loadConfig(write("runctl.config.mjs", "export const a = 1;"))).rejects.toThrow(/no default export/);
    await expect(loadConfig(write("runctl.config.js", "throw new Error('boom')"))).rejects.toThrow(/cannot be loaded[\s\S]*boom/);
  });

  test("two files in one folder: one is read, the other is mentioned", async () => {
    write("runctl.config.mjs", 'export default Promise.resolve({ project: "from-mjs" });');
    write("runctl.config.json", "{}");
    const config = await loadConfig(undefined, { cwd: dir });
    expect(config.project).toBe("from-mjs");
    expect(config.notices).toMatchObject([{ id: "config-ignored", what: expect.stringContaining("runctl.config.json") }]);
  });

  test.skipIf(process.geteuid?.() !== 0)("code of another user is not run just because it lies above", async () => {
    const path = write("runctl.config.mjs", "export default {}");
    chownSync(path, 65_534, 65_534);
    await expect(loadConfig(undefined, { cwd: dir })).rejects.toThrow(/belongs to another user/);
    expect((await loadConfig(path)).file).toBe(path);
  });
});

describe("TypeScript", () => {
  const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
  const run = promisify(execFile);

  test("loads under tsx", async () => {
    const path = join(dir, "runctl.config.ts");
    await writeDefaultConfig(path);
    const script = write(
      "try.mts",
      `import { readConfig } from ${JSON.stringify(here("./read-config.ts"))};\nconsole.log(JSON.stringify(await readConfig(${JSON.stringify(path)})));\n`,
    );
    const { stdout } = await run(process.execPath, [join(here("../../../../"), "node_modules/tsx/dist/cli.mjs"), script], { cwd: dir });
    expect(JSON.parse(stdout)).toEqual(defaultConfig());
  });

  test.skipIf("typescript" in process.features)("says how to go on where the runtime cannot import it", async () => {
    const path = join(dir, "runctl.config.ts");
    await writeDefaultConfig(path);
    const ts = await import("typescript");
    const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, rewriteRelativeImportExtensions: true };
    write("package.json", '{"type":"module"}');
    for (const file of ["spec/read-config", "errors/kinds", "errors/runctl-error"]) {
      mkdirSync(join(dir, file, ".."), { recursive: true });
      write(`${file}.js`, ts.transpileModule(readFileSync(here(`../${file}.ts`), "utf8"), { compilerOptions: options }).outputText);
    }
    const script = write(
      "try.js",
      `import { readConfig } from "./spec/read-config.js";\nawait readConfig(${JSON.stringify(path)}).catch((error) => console.log(error.code, error.message));\n`,
    );
    const { stdout } = await run(process.execPath, [script], { cwd: dir });
    expect(stdout).toMatch(/^RUNCTL_CONFIGURATION [\s\S]*cannot import[\s\S]*npx tsx[\s\S]*runctl.config.mjs/);
  });
});
