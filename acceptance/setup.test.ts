import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { defaultConfig, loadConfig, Runctl, writeDefaultConfig } from "@runctl/core";
import { describe, expect, it } from "vitest";
import { withBed } from "./support/bed.ts";

describe("S-01: first set-up", () => {
  it("defaults are written, load as they were, and make a Runctl that trains", () =>
    withBed(async (bed) => {
      const path = join(bed.root, "runctl.config.json");
      await writeDefaultConfig(path);
      const { file, notices, unknownKeys, ...loaded } = await loadConfig(path);
      expect(loaded).toEqual(defaultConfig());
      expect([file, notices, unknownKeys]).toEqual([path, [], []]);
      expect(JSON.parse(await readFile(path, "utf8"))).toEqual(defaultConfig());
      await expect(writeDefaultConfig(path)).rejects.toMatchObject({ code: "RUNCTL_ALREADY_EXISTS" });
      const runctl = bed.open(loaded);
      expect((await (await runctl.train(await bed.script(["print(1)"]))).result()).status).toBe("succeeded");
    }));

  it("a partial file loads with defaults, and its defaults reach the runs", () =>
    withBed(async (bed) => {
      const path = join(bed.root, "runctl.config.json");
      await writeFile(path, JSON.stringify({ limits: { maxRunning: 3 }, defaults: { env: { COLOUR: "blue" } }, colour: 1 }));
      const loaded = await loadConfig(path);
      expect(loaded.limits).toEqual({ maxRunning: 3, warnRunning: 10 });
      expect(loaded.thresholds).toEqual(defaultConfig().thresholds);
      expect(loaded.unknownKeys).toEqual(["colour"]);
      const { file: _file, notices: _notices, unknownKeys: _unknown, ...options } = loaded;
      const run = await bed.open(options).train(await bed.script(["import os", "print(os.environ['COLOUR'])"]));
      expect((await run.result()).logTail).toEqual(["blue"]);
    }));

  it("a bad value names its key, its file and a cure", () =>
    withBed(async (bed) => {
      const path = join(bed.root, "runctl.config.json");
      await writeFile(path, JSON.stringify({ limits: { maxRunning: "many" } }));
      const error = (await loadConfig(path).catch((reason: unknown) => reason)) as { code: string; what: string; fix: string[] };
      expect(error.code).toBe("RUNCTL_CONFIGURATION");
      expect(error.what).toContain("limits.maxRunning");
      expect(error.what).toContain(path);
      expect(error.fix.length).toBeGreaterThan(0);
    }));

  it("a Runctl without a provider, or with two of one name, says so", () =>
    withBed(async (bed) => {
      expect(() => new Runctl({ providers: [] })).toThrow(/provider/);
      expect(() => new Runctl({ providers: [bed.provider, bed.provider] })).toThrow(/local/);
    }));
});
