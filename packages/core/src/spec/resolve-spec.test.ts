import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RunctlError } from "../errors/runctl-error.ts";
import { resolveSpec } from "./resolve-spec.ts";
import type { RunSpec } from "./run-spec.ts";

let dir: string;
let context: { project: string; user: string; cwd: string };

beforeAll(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), "runctl spec 'é\n")));
  mkdirSync(join(dir, "training"));
  mkdirSync(join(dir, ".git"));
  for (const file of ["train.py", "training/deep.py", "requirements.txt", "Dockerfile", "-o.py", "$(touch pwned).py"])
    writeFileSync(join(dir, file), "");
  context = { project: "digits", user: "ada", cwd: dir };
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const resolveIt = (spec: RunSpec) => resolveSpec(spec, context);
const failure = async (spec: unknown): Promise<RunctlError> => {
  const error = await resolveSpec(spec as RunSpec, context).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!RunctlError.is(error)) throw new Error(`expected a RunctlError, got ${String(error)}`);
  return error;
};

describe("defaults", () => {
  test("S-03 a script alone gets every default of the guide", async () => {
    const { resolved, literalSecrets } = await resolveIt({ script: "train.py" });
    expect(resolved).toEqual({
      v: 1,
      script: "train.py",
      args: [],
      project: "digits",
      user: "ada",
      labels: {},
      root: dir,
      include: [],
      exclude: [],
      env: {},
      secrets: {},
      dependencies: { kind: "auto" },
      resources: { gpus: [], nodes: 1, processesPerNode: 1 },
      providers: [],
      instanceTypes: [],
      regions: [],
      zones: [],
      share: false,
      market: "on-demand",
      fallbackAfterMs: 120_000,
      inputs: [],
      outputs: [],
      checkpoints: { dir: "checkpoints", resume: "auto", resumeArgs: [], keep: { last: 10 }, stopSignal: "SIGTERM", graceMs: 30_000 },
      container: "none",
      volumes: [],
      retries: { interruptions: null, failures: 0, capacityMs: 1_800_000 },
      metrics: [],
      allow: [],
      providerOptions: {},
    });
    expect(literalSecrets).toEqual({});
  });

  test("a script in a subfolder keeps its place", async () => {
    expect((await resolveIt({ script: "training/deep.py" })).resolved).toMatchObject({ root: dir, script: "training/deep.py" });
    expect((await resolveIt({ script: join(dir, "training/deep.py") })).resolved).toMatchObject({ root: dir, script: "training/deep.py" });
    const fromBelow = await resolveSpec({ script: "deep.py" }, { ...context, cwd: join(dir, "training") });
    expect(fromBelow.resolved).toMatchObject({ root: dir, script: "training/deep.py" });
    const withRoot = await resolveSpec({ script: "training/deep.py", root: ".." }, { ...context, cwd: join(dir, "training") });
    expect(withRoot.resolved).toMatchObject({ root: dir, script: "training/deep.py" });
    const typedFromHere = await resolveSpec({ script: "deep.py", root: ".." }, { ...context, cwd: join(dir, "training") });
    expect(typedFromHere.resolved).toMatchObject({ root: dir, script: "training/deep.py" });
  });

  test("odd names and arguments arrive literally", async () => {
    const args = ["$(touch pwned)", "a b", "'\"", "line\nbreak", "🦆", "-rf", ""];
    expect((await resolveIt({ script: "-o.py", args })).resolved).toMatchObject({ script: "-o.py", args });
    expect((await resolveIt({ script: "$(touch pwned).py" })).resolved.script).toBe("$(touch pwned).py");
  });

  test("a command needs no script, and root is found from the current folder", async () => {
    const { resolved } = await resolveSpec({ command: ["python3", "-c", "print(1)"] }, { ...context, cwd: join(dir, "training") });
    expect(resolved).toMatchObject({ root: dir, command: ["python3", "-c", "print(1)"] });
    expect(resolved).not.toHaveProperty("script");
  });

  test("every field in its resolved form", async () => {
    const { resolved } = await resolveIt({
      script: "train.py",
      resources: {
        gpu: ["A100:2", "RTX 4080 SUPER", "A100:2"],
        cpus: 4,
        memory: "16GiB",
        disk: "100GB",
        nodes: 2,
        processesPerNode: "gpu",
      },
      provider: "aws",
      instanceType: ["g5.xlarge", "g5.xlarge"],
      region: "us-east-1",
      zone: ["a", "b"],
      market: "spot-then-on-demand",
      fallbackAfter: "5m",
      maxPricePerHour: 2,
      inputs: [
        { from: "s3://my-bucket/data/", to: "./data//x/" },
        { from: "training/", to: "." },
      ],
      outputs: [
        { from: "plots", to: "out/" },
        { from: "a/../b", to: "file:///srv/out", when: { every: "10m" } },
      ],
      checkpoints: {
        dir: "ckpt/",
        to: "s3://my-bucket/c",
        resume: "old/ckpt",
        keep: { last: 3, every: "6h", best: { metric: "loss", mode: "min" } },
        grace: 0,
      },
      container: { dockerfile: "./Dockerfile", buildArgs: { A: "1" } },
      volumes: [{ id: "vol-1", mount: "/data/" }],
      dependencies: { file: "./requirements.txt" },
      budget: { maxCost: 5, warnAt: [0.9, 0.5, 0.9] },
      deadline: "2026-12-01T18:00:00+02:00",
      maxDuration: "8h",
      retries: { interruptions: 3, failures: 2, capacity: 0 },
      onEnd: { after: "10m", then: "stop" },
      metrics: [{ name: "loss", pattern: "l=([0-9.]+)" }],
      earlyStopping: { metric: "loss", mode: "min", patience: 3 },
      env: { A: "" },
      key: "k",
    });
    expect(resolved).toMatchObject({
      resources: {
        gpus: [
          { name: "A100", count: 2 },
          { name: "RTX 4080 SUPER", count: 1 },
        ],
        cpus: 4,
        memoryBytes: 17_179_869_184,
        diskBytes: 100_000_000_000,
        nodes: 2,
        processesPerNode: "gpu",
      },
      providers: ["aws"],
      instanceTypes: ["g5.xlarge"],
      zones: ["a", "b"],
      fallbackAfterMs: 300_000,
      inputs: [
        { from: "s3://my-bucket/data/", to: "data/x" },
        { from: `${dir}/training/`, to: "." },
      ],
      outputs: [
        { from: "plots", to: `${dir}/out/`, when: "always" },
        { from: "b", to: "file:///srv/out", when: { everyMs: 600_000 } },
      ],
      checkpoints: {
        dir: "ckpt",
        resume: `${dir}/old/ckpt`,
        keep: { last: 3, everyMs: 21_600_000, best: { metric: "loss", mode: "min" } },
        graceMs: 0,
      },
      container: { dockerfile: "Dockerfile", buildArgs: { A: "1" } },
      volumes: [{ id: "vol-1", mount: "/data", readOnly: false, onEnd: "keep" }],
      dependencies: { kind: "file", file: "requirements.txt" },
      budget: { maxCost: 5, warnAt: [0.5, 0.9], onExceeded: "stop" },
      deadline: "2026-12-01T16:00:00.000Z",
      maxDurationMs: 28_800_000,
      retries: { interruptions: 3, failures: 2, capacityMs: 0 },
      onEnd: { afterMs: 600_000, then: "stop" },
      env: { A: "" },
    });
  });

  test("a Date becomes ISO, Infinity becomes null, and checkpoints may be off", async () => {
    const deadline = new Date(Date.UTC(2026, 11, 1));
    const { resolved } = await resolveIt({
      script: "train.py",
      deadline,
      checkpoints: false,
      retries: { interruptions: Number.POSITIVE_INFINITY },
    });
    expect(resolved).toMatchObject({ deadline: "2026-12-01T00:00:00.000Z", checkpoints: false, retries: { interruptions: null } });
  });

  test("the resolved spec is plain JSON that shares nothing with the caller's object", async () => {
    const args = ["--x"];
    const { resolved } = await resolveIt({ script: "train.py", args, providerOptions: { aws: { tags: { a: [1, null] } } } });
    args.push("--late");
    expect(resolved.args).toEqual(["--x"]);
    expect(JSON.parse(JSON.stringify(resolved))).toEqual(resolved);
  });
});

describe("refusals", () => {
  const s = { script: "train.py" };
  test.each<[string, unknown, RegExp]>([
    ["no spec", undefined, /The run spec must be an object, but it is undefined/],
    ["text", "train.py", /The run spec must be an object, but it is the string "train.py"/],
    ["nothing to run", {}, /Neither script nor command/],
    ["script and command", { ...s, command: ["x"] }, /script and command are both given/],
    ["args alone", { args: ["x"] }, /args is given without script or command/],
    ["empty script", { script: "" }, /script must be the path of a script.*the string ""/],
    ["empty command", { command: [] }, /command must be an array of strings, program first, but it is an array/],
    ["empty program", { command: [""] }, /first item of command is empty/],
    ["wrong type", { script: 7 }, /script must be.*the number 7[\s\S]*Write for example script: "training\/train.py"/],
    ["shell string", { command: "python3 train.py" }, /command must be an array of strings/],
    ["number in args", { ...s, args: ["--lr", 0.1] }, /args\[1\] must be a string, but it is the number 0.1/],
    ["unknown key", { ...s, maxPricePerHuor: 1 }, /Unknown key "maxPricePerHuor"; did you mean "maxPricePerHour"\?/],
    ["key in another spelling", { ...s, max_duration: 1 }, /did you mean "maxDuration"/],
    ["unlike any key", { ...s, zzzzzzzz: 1 }, /Unknown key "zzzzzzzz"; known are script, /],
    ["unknown key inside", { ...s, resources: { gpus: "A100" } }, /Unknown key "gpus"; did you mean "gpu"\? \(in resources\)/],
    ["unknown key inside a union", { ...s, checkpoints: { dri: "x" } }, /Unknown key "dri"; did you mean "dir"/],
    ["checkpoints: true", { ...s, checkpoints: true }, /checkpoints must be false or an object, but it is the boolean true/],
    [
      "wrong member of a union",
      { ...s, checkpoints: { keep: { last: 0 } } },
      /checkpoints.keep.last must be a whole number from 1, but it is the number 0/,
    ],
    ["wrong enum", { ...s, market: "spott" }, /market must be "on-demand", "spot".*"spott"/],
    ["budget 0", { ...s, budget: { maxCost: 0 } }, /budget.maxCost must be a number above 0/],
    ["budget without limit", { ...s, budget: { maxCost: Number.POSITIVE_INFINITY } }, /budget.maxCost/],
    ["budget NaN", { ...s, budget: { maxCost: Number.NaN } }, /budget.maxCost is NaN/],
    ["warnAt 50", { ...s, budget: { maxCost: 1, warnAt: [50] } }, /budget.warnAt\[0\] must be a fraction/],
    ["negative retries", { ...s, retries: { interruptions: -1 } }, /retries.interruptions must be a whole number from 0, or Infinity/],
    ["half retries", { ...s, retries: { failures: 0.5 } }, /retries.failures must be a whole number/],
    ["duration without unit", { ...s, maxDuration: "8" }, /maxDuration must be a duration/],
    ["duration of 0", { ...s, maxDuration: 0 }, /maxDuration must be a duration above 0/],
    ["size 0", { ...s, resources: { memory: 0 } }, /resources.memory is 0/],
    ["gpu without name", { ...s, resources: { gpu: ":2" } }, /resources.gpu must be an accelerator's name.*":2"/],
    ["gpu 0", { ...s, resources: { gpu: ["L4", "A100:0"] } }, /resources.gpu\[1\] must be/],
    ["gpu count first", { ...s, resources: { gpu: "2:A100" } }, /resources.gpu/],
    ["gpu a number", { ...s, resources: { gpu: 2 } }, /resources.gpu must be an accelerator's name/],
    ["absolute to", { ...s, inputs: [{ from: "x", to: "/data" }] }, /inputs\[0\].to must be a path relative[\s\S]*absolute path/],
    ["escaping to", { ...s, inputs: [{ from: "x", to: "a/../../b" }] }, /inputs\[0\].to[\s\S]*leaves the working directory/],
    ["missing to", { ...s, inputs: [{ from: "x" }] }, /inputs\[0\].to must be a path.*but it is undefined/],
    ["absolute output", { ...s, outputs: [{ from: "/etc", to: "x" }] }, /outputs\[0\].from/],
    ["sides swapped", { ...s, outputs: [{ from: "s3://my-bucket/x", to: "x" }] }, /outputs\[0\].from[\s\S]*other side/],
    ["escaping checkpoints", { ...s, checkpoints: { dir: "../c" } }, /checkpoints.dir/],
    ["checkpoints in the root", { ...s, checkpoints: { dir: "." } }, /checkpoints.dir must be a folder inside/],
    ["backslashes", { ...s, checkpoints: { dir: "a\\b" } }, /forward slashes/],
    [
      "slip in a location",
      { ...s, inputs: [{ from: "s3:/bucket/x", to: "x" }] },
      /inputs\[0\].from must be a location[\s\S]*s3:\/\/bucket\/x/,
    ],
    ["file URI without root", { ...s, inputs: [{ from: "file://x", to: "x" }] }, /three slashes/],
    ["bad bucket", { ...s, outputs: [{ from: "x", to: "s3://My_Bucket/x" }] }, /bucket's name/],
    ["fallback without falling back", { ...s, fallbackAfter: "2m" }, /market is "on-demand", which never falls back/],
    [
      "image and dockerfile",
      { ...s, container: { image: "a", dockerfile: "Dockerfile" } },
      /container.dockerfile is given together with container.image/,
    ],
    ["machine and type", { ...s, machine: "m", instanceType: "t" }, /instanceType is given together with machine/],
    ["machine and spot", { ...s, machine: "m", market: "spot" }, /market "spot" is given together with machine/],
    ["volume of nothing", { ...s, volumes: [{ mount: "/d" }] }, /volumes\[0\] has neither id nor create/],
    ["volume twice", { ...s, volumes: [{ id: "v", create: { sizeBytes: 1 }, mount: "/d" }] }, /both id and create/],
    ["relative mount", { ...s, volumes: [{ id: "v", mount: "data" }] }, /volumes\[0\].mount must be an absolute path/],
    ["system mount", { ...s, volumes: [{ id: "v", mount: "/etc/x" }] }, /hide the system/],
    ["mount of everything", { ...s, volumes: [{ id: "v", mount: "/./" }] }, /hide the system/],
    [
      "two on one mount",
      {
        ...s,
        volumes: [
          { id: "v", mount: "/d" },
          { id: "w", mount: "/d/" },
        ],
      },
      /Two volumes have the mount "\/d"/,
    ],
    ["deadline without zone", { ...s, deadline: "2026-12-01T18:00:00" }, /deadline must be a Date or an ISO date with time and zone/],
    ["no date", { ...s, deadline: "tomorrow" }, /deadline must be/],
    ["day 32", { ...s, deadline: "2026-12-32T18:00:00Z" }, /deadline must be/],
    ["invalid Date", { ...s, deadline: new Date(Number.NaN) }, /deadline must be/],
    ["no pattern", { ...s, metrics: [{ name: "loss" }] }, /metrics\[0\] has neither pattern nor file/],
    ["broken pattern", { ...s, metrics: [{ name: "loss", pattern: "(" }] }, /metrics\[0\].pattern must be a JavaScript regular expression/],
    ["pattern without group", { ...s, metrics: [{ name: "loss", pattern: "loss" }] }, /no group in parentheses/],
    ["pattern without name", { ...s, metrics: [{ pattern: "loss=(.*)" }] }, /no group "name"/],
    [
      "metric nobody gives",
      { ...s, metrics: [{ name: "loss", pattern: "(.)" }], earlyStopping: { metric: "los", mode: "min", patience: 1 } },
      /earlyStopping.metric is "los", but metrics gives only loss/,
    ],
    [
      "best by a metric nobody gives",
      { ...s, metrics: [{ name: "loss", pattern: "(.)" }], checkpoints: { keep: { best: { metric: "acc", mode: "max" } } } },
      /checkpoints.keep.best.metric is "acc"/,
    ],
    ["env name", { ...s, env: { "A-B": "1" } }, /env has the name "A-B"[\s\S]*"A_B"/],
    ["env of ours", { ...s, env: { RUNCTL_RUN_ID: "1" } }, /names that begin with RUNCTL_ are runctl's own/],
    ["secret of ours", { ...s, secrets: { RUNCTL_X: { env: "A" } } }, /runctl's own/],
    ["one name twice", { ...s, env: { T: "1" }, secrets: { T: { env: "A" } } }, /"T" is both in env and in secrets/],
    ["long label", { ...s, labels: { a: "x".repeat(129) } }, /labels.a must be text of at most 128/],
    ["long label key", { ...s, labels: { ["x".repeat(129)]: "a" } }, /labels has a key of 129 characters/],
    ["label of ours", { ...s, labels: { "runctl:run": "a" } }, /own tags/],
    ["long key", { ...s, key: "x".repeat(257) }, /key must be text of 1 to 256/],
    ["empty key", { ...s, key: "" }, /key must be/],
    ["odd project", { ...s, project: "my project" }, /project must be 1 to 64 letters/],
    ["include from above", { ...s, include: ["../x"] }, /include\[0\] must be a pattern inside/],
    ["option as package", { ...s, dependencies: { packages: ["--index-url=x"] } }, /dependencies.packages\[0\]/],
    [
      "missing requirements",
      { ...s, dependencies: { file: "requirement.txt" } },
      /dependencies.file "requirement.txt" does not exist[\s\S]*"requirements.txt"/,
    ],
    ["requirements outside", { ...s, dependencies: { file: "/etc/hosts" } }, /dependencies.file "\/etc\/hosts" is outside/],
    ["missing Dockerfile", { ...s, container: { dockerfile: "x/Dockerfile" } }, /container.dockerfile/],
    ["options as text", { ...s, providerOptions: { aws: "x" } }, /providerOptions.aws must be an object of that provider's options/],
    ["function", { ...s, providerOptions: { aws: { f: () => 1 } } }, /providerOptions.aws.f is a function/],
    ["class instance", { ...s, providerOptions: { aws: new Map() } }, /providerOptions.aws is an instance of a class/],
    ["NUL in script", { script: "a\0b" }, /script contains a NUL/],
    ["NUL in args", { ...s, args: ["ok", "a\0"] }, /args\[1\] contains a NUL/],
    ["NUL in a key", { ...s, env: { "A\0": "x" } }, /A key of env contains a NUL/],
    ["NUL deep down", { ...s, providerOptions: { aws: { a: [{ b: "\0" }] } } }, /providerOptions.aws.a\[0\].b contains a NUL/],
    ["half a character", { ...s, args: ["\ud83e"] }, /args\[0\] contains half a character/],
    ["huge argument", { ...s, args: ["x".repeat(131_072)] }, /args\[0\] is longer than 128 KiB/],
  ])("%s", async (_name, spec, message) => {
    const error = await failure(spec);
    expect(error.message).toMatch(message);
    expect(["validation", "configuration"]).toContain(error.kind);
    expect(error.fix.length).toBeGreaterThan(0);
    expect(error.message.length).toBeLessThan(2000);
  });

  test("a spec that contains itself", async () => {
    const loop: Record<string, unknown> = { script: "train.py" };
    loop.providerOptions = { aws: loop };
    expect((await failure(loop)).what).toMatch(/contains itself/);
  });

  test("several mistakes are told at once", async () => {
    const error = await failure({ script: 1, share: "yes", budget: { maxCost: -1 } });
    expect(error.message).toMatch(/script must be[\s\S]*Also: share must be[\s\S]*Also: budget.maxCost must be/);
    expect(error.context.fields).toEqual(["script", "share", "budget.maxCost"]);
  });
});

describe("files", () => {
  test("a missing script names the nearest one", async () => {
    const error = await failure({ script: "training/dep.py" });
    expect(error.kind).toBe("validation");
    expect(error.what).toContain(join(dir, "training/dep.py"));
    expect(error.fix[0]).toContain("training/deep.py");
  });

  test("a file used as a folder is a missing script", async () => {
    expect((await failure({ script: "train.py/x" })).what).toMatch(/does not exist/);
  });

  test("a folder instead of a script", async () => {
    expect((await failure({ script: "training" })).what).toMatch(/"training" is a folder, not a file/);
    expect((await failure({ script: "." })).fix[0]).toContain('"train.py"');
  });

  test("something that is no file", async () => {
    expect((await failure({ script: "/dev/null" })).what).toMatch(/neither a file nor a folder/);
  });

  test("a name too long for the file system", async () => {
    expect((await failure({ script: "x".repeat(300) })).message).toMatch(/cannot be looked at[\s\S]*Shorten/);
  });

  test("a script outside the root, plainly and through a link", async () => {
    const plain = await failure({ script: join(dir, "train.py"), root: join(dir, "training") });
    expect(plain.kind).toBe("configuration");
    expect(plain.message).toMatch(/is outside the project root[\s\S]*Set root to a folder that contains both/);
    expect(plain.fix[0]).toContain(dir);
    symlinkSync(join(dir, "train.py"), join(dir, "training/link.py"));
    const link = await failure({ script: "link.py", root: join(dir, "training") });
    expect(link.message).toMatch(/It is a link to/);
  });

  test("a root reached through a link is the same root", async () => {
    const link = `${dir}-link`;
    symlinkSync(dir, link);
    try {
      const { resolved } = await resolveSpec({ script: join(dir, "training/deep.py"), root: link }, context);
      expect(resolved.script).toBe("training/deep.py");
    } finally {
      rmSync(link);
    }
  });

  test("a root that is missing or a file", async () => {
    expect((await failure({ script: "train.py", root: "nowhere" })).what).toMatch(/root "nowhere" does not exist/);
    expect((await failure({ script: "train.py", root: "train.py" })).what).toMatch(/root "train.py" is not a folder/);
  });

  test("an unreadable script", async () => {
    const { chmodSync } = await import("node:fs");
    writeFileSync(join(dir, "closed.py"), "");
    chmodSync(join(dir, "closed.py"), 0o000);
    chmodSync(dir, 0o755);
    const asRoot = process.geteuid?.() === 0;
    if (asRoot) process.seteuid?.(65_534);
    try {
      expect((await failure({ script: "closed.py" })).message).toMatch(/"closed.py" cannot be read[\s\S]*chmod u\+r/);
    } finally {
      if (asRoot) process.seteuid?.(0);
    }
  });
});

describe("secrets", () => {
  const secret = "hunter2-very-secret";

  test("literal values are set apart, references stay", async () => {
    const secrets = { A: secret, B: { env: "B" }, C: { file: "c.txt" }, D: { ref: "vault:x" }, E: { file: "~/e" } };
    const { resolved, literalSecrets } = await resolveIt({ script: "train.py", secrets });
    expect(literalSecrets).toEqual({ A: secret });
    expect(resolved.secrets).toEqual({
      A: { literal: true },
      B: { env: "B" },
      C: { file: join(dir, "c.txt") },
      D: { ref: "vault:x" },
      E: { file: join(homedir(), "e") },
    });
    expect(JSON.stringify(resolved)).not.toContain(secret);
  });

  test.each<[string, unknown]>([
    ["NUL", { A: `${secret}\0` }],
    ["too long", { A: secret.repeat(10_000) }],
    ["not text", { A: [secret] }],
    ["unknown source", { A: { value: secret } }],
    ["source of the wrong type", { A: { env: [secret] } }],
    ["bad name beside it", { "A-B": secret }],
    ["one name twice", { T: secret }],
    ["half a character", { A: `${secret}\ud83e` }],
    ["array", [secret]],
    ["text", secret],
  ])("no error shows a literal: %s", async (_name, secrets) => {
    const error = await failure({ script: "train.py", env: { T: `${secret}-env` }, secrets });
    expect(`${error.message}${error.stack}${JSON.stringify(error)}${String(error.cause)}`).not.toContain(secret);
  });

  test("a secret named __proto__ is refused rather than lost", async () => {
    const error = await failure({ script: "train.py", secrets: JSON.parse(`{"__proto__":"${secret}"}`) });
    expect(error.message).toMatch(/secrets has the key "__proto__"/);
    expect(error.message).not.toContain(secret);
  });
});

describe("container", () => {
  test('S-24 "auto" takes the project\'s Dockerfile, and none where there is none', async () => {
    expect((await resolveIt({ script: "train.py", container: "auto" })).resolved.container).toEqual({ dockerfile: "Dockerfile" });
    const bare = realpathSync(mkdtempSync(join(tmpdir(), "runctl-bare-")));
    try {
      writeFileSync(join(bare, "train.py"), "");
      const { resolved } = await resolveSpec({ script: "train.py", root: bare, container: "auto" }, { ...context, cwd: bare });
      expect(resolved.container).toBe("none");
    } finally {
      rmSync(bare, { recursive: true, force: true });
    }
  });
});
