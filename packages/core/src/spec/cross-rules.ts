import { ValidationError } from "../errors/kinds.ts";
import { invalidValue } from "./invalid.ts";
import type { CheckedRunSpec } from "./run-spec-schema.ts";

/**
 * Rules between fields, each with its own message.
 * @throws ValidationError of the first rule that is broken.
 */
export function checkCrossRules(spec: CheckedRunSpec): void {
  whatToRun(spec);
  machine(spec);
  market(spec);
  container(spec);
  volumes(spec);
  metrics(spec);
}

function whatToRun(spec: CheckedRunSpec): void {
  if (spec.script !== undefined && spec.command !== undefined) {
    throw rule("script", "script and command are both given.", "A run starts one thing.", [
      "Keep script for a Python file, command for any other program.",
    ]);
  }
  if (spec.script === undefined && spec.command === undefined) {
    if (spec.args !== undefined)
      throw rule("args", "args is given without script or command.", "Arguments need something that takes them.", [
        'Add script: "train.py".',
      ]);
    throw rule("script", "Neither script nor command is given.", "A run needs something to start.", [
      'Add script: "train.py" or command: ["python3", "-m", "trainer"].',
    ]);
  }
  if (spec.command?.[0] === "")
    throw rule("command", "The first item of command is empty.", "It is the program to start.", [
      'Write command: ["python3", "-m", "trainer"].',
    ]);
}

function machine(spec: CheckedRunSpec): void {
  if (spec.machine === undefined) return;
  for (const key of ["instanceType", "region", "zone"] as const) {
    if (spec[key] !== undefined) {
      throw rule(key, `${key} is given together with machine.`, "machine names one that exists, so there is nothing left to choose.", [
        `Remove ${key}, or remove machine to buy a new one.`,
      ]);
    }
  }
  if (spec.market !== undefined && spec.market !== "on-demand") {
    throw rule("market", `market "${spec.market}" is given together with machine.`, "An existing machine is already bought.", [
      "Remove market.",
    ]);
  }
  if ((spec.resources?.nodes ?? 1) > 1) {
    throw rule("resources.nodes", "resources.nodes is above 1 together with machine.", "machine names a single one.", [
      "Remove one of the two.",
    ]);
  }
}

function market(spec: CheckedRunSpec): void {
  const market = spec.market ?? "on-demand";
  if (spec.fallbackAfter !== undefined && market !== "spot-then-on-demand") {
    throw rule("fallbackAfter", `fallbackAfter is given, but market is "${market}", which never falls back.`, "It would have no effect.", [
      'Set market: "spot-then-on-demand", or remove fallbackAfter.',
    ]);
  }
}

function container({ container }: CheckedRunSpec): void {
  if (typeof container !== "object" || container.image === undefined) return;
  for (const key of ["dockerfile", "buildArgs"] as const) {
    if (container[key] !== undefined) {
      throw rule(`container.${key}`, `container.${key} is given together with container.image.`, "An image that exists is not built.", [
        `Remove one of the two.`,
      ]);
    }
  }
}

function volumes({ volumes = [] }: CheckedRunSpec): void {
  const mounts = new Set<string>();
  for (const [index, volume] of volumes.entries()) {
    const field = `volumes[${index}]`;
    if ((volume.id === undefined) === (volume.create === undefined)) {
      throw rule(
        field,
        `${field} has ${volume.id === undefined ? "neither id nor create" : "both id and create"}.`,
        "A volume either exists or is made.",
        ['Write { id: "vol-0abc", mount: "/data" } or { create: { sizeBytes: 500e9 }, mount: "/data" }.'],
      );
    }
    const mount = mountPoint(volume.mount, `${field}.mount`);
    if (mounts.has(mount))
      throw rule(`${field}.mount`, `Two volumes have the mount ${JSON.stringify(mount)}.`, "One would hide the other.", [
        "Give each its own.",
      ]);
    mounts.add(mount);
  }
}

const SYSTEM_FOLDERS = ["bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "proc", "sbin", "sys"];
const SYSTEM_ROOTS = ["/", "/home", "/root", "/run", "/tmp", "/usr", "/var"];

/** The normal form of a mount point. @throws ValidationError for relative paths, "..", "/" and the system's own folders. */
export function mountPoint(mount: string, field: string): string {
  const refuse = (why: string) =>
    invalidValue({ field, value: mount, expected: "an absolute path, not one of the system's own folders", example: '"/data"', why });
  if (!mount.startsWith("/")) throw refuse("Volumes are mounted at the same absolute path on the host and in the container.");
  const segments = mount.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (segments.includes("..")) throw refuse('".." hides where it leads.');
  const path = `/${segments.join("/")}`;
  if (SYSTEM_ROOTS.includes(path) || SYSTEM_FOLDERS.includes(segments[0] ?? "")) throw refuse("A volume there would hide the system.");
  return path;
}

function metrics({ metrics = [], earlyStopping, checkpoints }: CheckedRunSpec): void {
  for (const [index, source] of metrics.entries()) {
    const field = `metrics[${index}]`;
    if ((source.pattern === undefined) === (source.file === undefined)) {
      throw rule(
        field,
        `${field} has ${source.file === undefined ? "neither pattern nor file" : "both pattern and file"}.`,
        "Metrics are read either from log lines or from a file.",
        ['Write { name: "loss", pattern: "loss is ([0-9.]+)" } or { file: "metrics.jsonl" }.'],
      );
    }
    if (source.pattern !== undefined) checkPattern(source.pattern, source.name, field);
  }
  const fixed = metrics.map((source) => (source.pattern === undefined || hasNameGroup(source.pattern) ? undefined : source.name));
  if (metrics.length === 0 || fixed.includes(undefined)) return;
  const wanted: Array<[string, string | undefined]> = [
    ["earlyStopping.metric", earlyStopping?.metric],
    ["checkpoints.keep.best.metric", typeof checkpoints === "object" ? checkpoints.keep?.best?.metric : undefined],
  ];
  for (const [field, metric] of wanted) {
    if (metric !== undefined && !fixed.includes(metric)) {
      throw rule(
        field,
        `${field} is ${JSON.stringify(metric)}, but metrics gives only ${fixed.join(", ")}.`,
        "It would wait for a number that never comes.",
        [`Add { name: ${JSON.stringify(metric)}, pattern: "…" } to metrics, or leave metrics out to use the recognised forms.`],
      );
    }
  }
}

function checkPattern(pattern: string, name: string | undefined, field: string): void {
  const example = '"loss is ([0-9.]+)"';
  const expected = "a JavaScript regular expression with a group for the value";
  let groups: number;
  try {
    // With an empty alternative it matches the empty text, and the result lists its groups.
    groups = (new RegExp(`${pattern}|`).exec("")?.length ?? 1) - 1;
  } catch (cause) {
    throw invalidValue({
      field: `${field}.pattern`,
      value: pattern,
      expected,
      example,
      why: cause instanceof Error ? cause.message : undefined,
    });
  }
  if (groups === 0)
    throw invalidValue({ field: `${field}.pattern`, value: pattern, expected, example, why: "It has no group in parentheses." });
  if (name === undefined && !hasNameGroup(pattern)) {
    throw rule(
      `${field}.name`,
      `${field} has no name, and its pattern has no group "name".`,
      "A metric without a name cannot be told from others.",
      ['Add name: "loss", or a group (?<name>[a-z_]+) to the pattern.'],
    );
  }
}

function hasNameGroup(pattern: string): boolean {
  return pattern.includes("(?<name>");
}

function rule(field: string, what: string, why: string, fix: string[]): ValidationError {
  return new ValidationError({ what, why, fix, context: { field } });
}
