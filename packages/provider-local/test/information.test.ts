import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { type Clock, ConfigurationError, HostUnreachableError, NotFoundError, ValidationError } from "@runctl/core/provider";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { local } from "../src/index.ts";
import { attemptOf, createOn, eventually, intent, lookAt, setUp, tempDir } from "./helpers.ts";

// Recorded: A100 pair; a laptop GPU without power reading; a card that fell off the bus; a name with a comma.
const GPUS = `0, NVIDIA A100-SXM4-80GB, 87, 40536, 81920, 61, 312.45
1, NVIDIA A100-SXM4-80GB, 0, 3, 81920, 34, [N/A]
2, NVIDIA GeForce RTX 4080 SUPER, [Not Supported], 512, 16376, 45, [Unknown Error]
3, Acme, Inc. Accelerator, ERR!, [N/A], [N/A], [N/A], [N/A]
Failed to initialize NVML: Unknown Error
`;

const PATH = process.env.PATH;
let bin = "";

beforeEach(async () => {
  bin = await tempDir("fake bin");
});
afterEach(() => {
  process.env.PATH = PATH;
});

/** Puts a program on PATH, before everything else. */
async function fake(name: string, script: string): Promise<void> {
  await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(bin, name), 0o755);
  process.env.PATH = `${bin}:${PATH}`;
}

/** Only these programs are on PATH. */
async function only(...names: string[]): Promise<void> {
  for (const name of names) await symlink(`/bin/${name}`, join(bin, name));
  process.env.PATH = bin;
}

const smi = (csv: string): Promise<void> => fake("nvidia-smi", `cat <<'END'\n${csv}END`);

describe("offers", () => {
  it("S-20 is this computer at a declared 0, and nothing when it cannot be what was asked for", async () => {
    await only("cat");
    const { provider } = await setUp();
    const [offer, ...more] = await provider.offers({});
    expect(more).toEqual([]);
    expect(offer).toMatchObject({
      id: "local",
      provider: "local",
      market: "on-demand",
      accelerators: [],
      cpus: availableParallelism(),
      pricePerHour: { amount: 0, currency: "USD" },
      price: { source: "declared", at: expect.stringMatching(/^\d{4}-/) },
      can: { stop: true, notice: false, endItself: true },
    });
    for (const request of [
      { gpus: [{ name: "A100", count: 1 }] },
      { cpus: 4096 },
      { memoryBytes: 2 ** 60 },
      { diskBytes: 2 ** 60 },
      { regions: ["us-east-1"] },
      { zones: ["a"] },
      { instanceTypes: ["p4d.24xlarge"] },
      { markets: ["spot"] },
    ]) {
      expect(await provider.offers(request), JSON.stringify(request)).toEqual([]);
    }
    expect(await provider.offers({ gpus: [], instanceTypes: ["local"], cpus: 1, markets: ["spot", "on-demand"] })).toHaveLength(1);
  });

  it("has the GPUs that the driver shows, and only whole names fit", async () => {
    await smi(GPUS);
    const { provider } = await setUp();
    const fits = async (name: string, count = 1): Promise<boolean> => (await provider.offers({ gpus: [{ name, count }] })).length > 0;
    expect((await provider.offers({}))[0]?.accelerators).toEqual([
      { name: "NVIDIA A100-SXM4-80GB", count: 2, memoryBytes: 81920 * 1024 ** 2 },
      { name: "NVIDIA GeForce RTX 4080 SUPER", count: 1, memoryBytes: 16376 * 1024 ** 2 },
      { name: "Acme, Inc. Accelerator", count: 1, memoryBytes: undefined },
    ]);
    expect([
      await fits("A100"),
      await fits("A100", 2),
      await fits("a100-sxm4"),
      await fits("RTX4080SUPER"),
      await fits("RTX 4080 SUPER"),
    ]).toEqual(Array(5).fill(true));
    expect([await fits("A10"), await fits("A100", 3), await fits("RTX 4080"), await fits("H100"), await fits("")]).toEqual(
      Array(5).fill(false),
    );
  });

  it("has a spot market when asked for, at a price of its own", async () => {
    const { provider } = await setUp({ pricePerHour: 2, currency: "EUR", spot: { pricePerHour: 0.5 } });
    expect(provider.capabilities.spot).toBe(true);
    expect((await provider.offers({})).map(({ id, market, pricePerHour }) => [id, market, pricePerHour])).toEqual([
      ["local", "on-demand", { amount: 2, currency: "EUR" }],
      ["local-spot", "spot", { amount: 0.5, currency: "EUR" }],
    ]);
    expect(await provider.offers({ maxPricePerHour: 1 })).toHaveLength(1);
    expect((await setUp()).provider.capabilities.spot).toBe(false);
  });
});

describe("usage", () => {
  it("S-26 reports processor, memory, disk, each GPU, the ten busiest processes and the network", async () => {
    await smi(GPUS);
    const { provider } = await setUp();
    const usage = await provider.usage?.(await createOn(provider));
    expect(usage?.gpus).toEqual([
      {
        index: 0,
        name: "NVIDIA A100-SXM4-80GB",
        utilizationPercent: 87,
        memoryUsedBytes: 40536 * 1024 ** 2,
        memoryTotalBytes: 81920 * 1024 ** 2,
        temperatureCelsius: 61,
        powerWatts: 312.45,
      },
      {
        index: 1,
        name: "NVIDIA A100-SXM4-80GB",
        utilizationPercent: 0,
        memoryUsedBytes: 3 * 1024 ** 2,
        memoryTotalBytes: 81920 * 1024 ** 2,
        temperatureCelsius: 34,
        powerWatts: undefined,
      },
      {
        index: 2,
        name: "NVIDIA GeForce RTX 4080 SUPER",
        utilizationPercent: undefined,
        memoryUsedBytes: 512 * 1024 ** 2,
        memoryTotalBytes: 16376 * 1024 ** 2,
        temperatureCelsius: 45,
        powerWatts: undefined,
      },
      {
        index: 3,
        name: "Acme, Inc. Accelerator",
        utilizationPercent: undefined,
        memoryUsedBytes: undefined,
        memoryTotalBytes: undefined,
        temperatureCelsius: undefined,
        powerWatts: undefined,
      },
    ]);
    expect(usage?.cpuPercent).toBeGreaterThanOrEqual(0);
    expect(usage?.cpuPercent).toBeLessThanOrEqual(100);
    expect(usage?.memory?.usedBytes).toBeGreaterThan(0);
    expect(usage?.memory?.totalBytes).toBeGreaterThan(usage?.memory?.usedBytes ?? Infinity);
    expect(usage?.disks[0]?.totalBytes).toBeGreaterThan(usage?.disks[0]?.usedBytes ?? Infinity);
    expect(usage?.processes.length).toBeGreaterThan(0);
    expect(usage?.processes.length).toBeLessThanOrEqual(10);
  });

  it("sees a busy process on top and shows no arguments", async () => {
    const { provider } = await setUp();
    const machine = await createOn(provider);
    const host = await provider.connect?.(machine);
    const abort = new AbortController();
    const busy = host?.exec(["python3", "-c", "while True: pass", "--password=hunter2"], { signal: abort.signal });
    await eventually(async () =>
      (await provider.usage?.(machine))?.processes
        .slice(0, 6)
        .some((process) => process.command.startsWith("python3") && process.cpuPercent > 20),
    ).toBe(true);
    expect(JSON.stringify(await provider.usage?.(machine))).not.toContain("hunter2");
    abort.abort("done");
    await expect(busy).rejects.toBe("done");
    await host?.close();
  });

  it("a broken driver costs only the GPUs", async () => {
    await fake("nvidia-smi", "echo 'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.'; exit 9");
    const { provider } = await setUp();
    expect((await provider.usage?.(await createOn(provider)))?.gpus).toEqual([]);
    expect((await provider.doctor?.())?.find(({ id }) => id === "local-gpu")).toMatchObject({
      severity: "warning",
      what: expect.stringContaining("could not communicate"),
    });
  });
});

describe("doctor", () => {
  it("finds Python, and says what is missing with its cure", async () => {
    const { provider } = await setUp();
    const found = new Map((await provider.doctor?.())?.map((finding) => [finding.id, finding]));
    expect([...found.keys()].sort()).toEqual(["local-disk", "local-docker", "local-gpu", "local-home", "local-python", "local-uv"]);
    expect(found.get("local-python")).toMatchObject({ severity: "ok", what: expect.stringMatching(/^python3 is 3\.\d+/) });
    await only("cat");
    const bare = new Map((await provider.doctor?.())?.map((finding) => [finding.id, finding]));
    expect(bare.get("local-python")).toMatchObject({ severity: "error", fix: [expect.stringContaining("Install Python 3.8")] });
    await fake("python3", "echo 3.7.9");
    expect((await provider.doctor?.())?.find(({ id }) => id === "local-python")).toMatchObject({
      severity: "error",
      what: "python3 is 3.7.9, which is too old.",
    });
  });
});

describe("costs", () => {
  it("S-18 the time between create and end at the declared price; stopping freezes it", async () => {
    let now = Date.parse("2026-01-01T00:00:00.000Z");
    const clock: Clock = {
      now: () => now,
      monotonic: () => performance.now(),
      timer: (ms, fn) => ({
        cancel: (
          (handle) => () =>
            clearTimeout(handle)
        )(setTimeout(fn, ms)),
      }),
    };
    const { provider } = await setUp({ clock, pricePerHour: 3 });
    const machine = await createOn(provider);
    const hours = (count: number): void => {
      now += count * 3_600_000;
    };
    const billed = async (): Promise<string[]> => {
      const at = (await lookAt(provider, machine)) ?? machine;
      const intervals = await provider.costs(at, "2025-12-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z");
      expect(
        intervals.every(({ pricePerHour, what, evidence }) => pricePerHour.amount === 3 && what === "compute" && evidence === "observed"),
      ).toBe(true);
      return intervals.map(({ from, to }) => `${from.slice(11, 16)}-${to.slice(11, 16)}`);
    };
    hours(1);
    expect(await billed()).toEqual(["00:00-01:00"]);
    await provider.stop?.(machine.ref);
    hours(5);
    expect(await billed()).toEqual(["00:00-01:00"]);
    await provider.start?.(machine.ref);
    hours(2);
    expect(await billed()).toEqual(["00:00-01:00", "06:00-08:00"]);
    await provider.simulateInterruption(machine.ref);
    hours(9);
    expect(await billed()).toEqual(["00:00-01:00", "06:00-08:00"]);
    expect(await provider.costs(machine, "2026-01-01T00:30:00.000Z", "2026-01-01T00:45:00.000Z")).toMatchObject([
      { from: "2026-01-01T00:30:00.000Z", to: "2026-01-01T00:45:00.000Z" },
    ]);
    expect(await provider.costs(machine, "2025-01-01T00:00:00.000Z", "2025-02-01T00:00:00.000Z")).toEqual([]);
  });

  it("a market's price is the one it was bought at", async () => {
    const { provider } = await setUp({ pricePerHour: 2, spot: { pricePerHour: 0.5 } });
    const [, spot] = await provider.offers({});
    if (spot === undefined) throw new Error("no spot offer");
    expect((await createOn(provider, intent({ offers: [spot] }))).pricePerHour).toEqual({ amount: 0.5, currency: "USD" });
  });
});

describe("images", () => {
  it("builds through the docker client: literal arguments, values in the environment, output by lines, the image's digest", async () => {
    const log = join(bin, "calls");
    await fake(
      "docker",
      `for a in "$@"; do printf '[%s]' "$a"; done >>'${log}'; printf ' TOKEN=%s\\n' "$TOKEN" >>'${log}'\ncase $1 in build) printf 'step 1\\nstep 2' ;; image) echo sha256:abc ;; esac`,
    );
    const { provider } = await setUp();
    const lines: string[] = [];
    const context = join(bin, "-odd context");
    await mkdir(context);
    const built = await provider.images?.build({
      contextDir: context,
      dockerfile: "docker/Dockerfile",
      tag: "t:1",
      buildArgs: { TOKEN: "s3cr3t" },
      onOutput: (line) => lines.push(line),
    });
    expect(built).toEqual({ image: "t:1", digest: "sha256:abc" });
    expect(lines).toEqual(["step 1", "step 2"]);
    const calls = await readFile(log, "utf8");
    expect(calls).toContain(`[build][-t][t:1][-f][docker/Dockerfile][--build-arg][TOKEN][--][${context}] TOKEN=s3cr3t`);
  });

  it("says that an image is missing, that Docker is, and what a build said last", async () => {
    const { provider } = await setUp();
    await fake(
      "docker",
      `case $1 in build) echo 'RUN pip install nothing: no such package' >&2; exit 1 ;; image) echo 'Error: No such image: x' >&2; exit 1 ;; version) echo 27.0 ;; esac`,
    );
    await expect(provider.images?.resolve?.("x")).rejects.toSatisfy(NotFoundError.isInstance);
    await expect(provider.images?.build({ contextDir: bin, dockerfile: "Dockerfile", tag: "x", buildArgs: {} })).rejects.toThrow(
      /no such package/,
    );
    process.env.PATH = join(bin, "nothing here");
    await expect(provider.images?.resolve?.("x")).rejects.toSatisfy(
      (error) => ConfigurationError.isInstance(error) && error.why === "There is no docker command.",
    );
  });
});

describe("containers", () => {
  const attempt = { "attempt.json": { nonce: "c-nonce", container: { engine: "docker" } } };

  it("terminate removes the attempt's containers by their label, and fails when the engine refuses", async () => {
    const log = join(bin, "calls");
    await fake(
      "docker",
      `echo "$@" >>'${log}'; case $1 in ps) echo 0a1b2c ;; rm) [ -f '${bin}/works' ] || { echo 'permission denied' >&2; exit 1; } ;; esac`,
    );
    const { provider } = await setUp();
    const machine = await createOn(provider);
    await attemptOf(machine, "r1/1", attempt);
    await expect(provider.terminate(machine.ref)).rejects.toSatisfy(HostUnreachableError.isInstance);
    expect((await lookAt(provider, machine))?.state).toBe("ending");
    await writeFile(join(bin, "works"), "");
    await provider.terminate(machine.ref);
    expect((await readFile(log, "utf8")).split("\n")).toContain("rm -f -v 0a1b2c");
    expect((await readFile(log, "utf8")).split("\n")[0]).toBe("ps -aq --filter label=runctl.nonce=c-nonce");
    expect(await lookAt(provider, machine)).toBeUndefined();
  });

  it("an engine that is not running has no containers", async () => {
    await fake(
      "docker",
      "echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?' >&2; exit 1",
    );
    const { provider } = await setUp();
    const machine = await createOn(provider);
    await attemptOf(machine, "r1/1", attempt);
    await provider.terminate(machine.ref);
    expect(await lookAt(provider, machine)).toBeUndefined();
  });
});

describe("options", () => {
  it.each([
    { name: "Local!" },
    { pricePerHour: -1 },
    { pricePerHour: Number.NaN },
    { currency: "dollars" },
    { maxMachines: 0 },
    { env: { "A=B": "x" } },
    { home: "" },
    { hom: "/typo" },
  ])("refuses %j, naming the field", (options) => {
    const field = Object.keys(options)[0] as string;
    expect(() => local(options as object)).toThrow(field);
    try {
      local(options as object);
    } catch (error) {
      expect(ValidationError.isInstance(error)).toBe(true);
    }
  });

  it("providerOptions has none for it; a second provider has its own name", () => {
    expect(() => local().validateOptions?.({ subnet: "x" })).toThrow(/providerOptions\.local\.subnet/);
    expect(local().validateOptions?.({})).toBeUndefined();
    expect(local({ name: "workstation" }).name).toBe("workstation");
  });

  it("the identity is this computer, the same each time", async () => {
    const [one, two] = await Promise.all([local().identity(), local({ home: "/elsewhere" }).identity()]);
    expect(one).toEqual(two);
    expect(one.id).toMatch(/^local-[0-9a-f]{16}$/);
  });
});
