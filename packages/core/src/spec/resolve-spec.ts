import { homedir } from "node:os";
import { resolve } from "node:path";
import { ValidationError } from "../errors/kinds.ts";
import { checkCrossRules, mountPoint } from "./cross-rules.ts";
import { findDockerfile } from "./dockerfile.ts";
import { parseGpus } from "./gpu.ts";
import { invalidValue } from "./invalid.ts";
import { resolveLocation } from "./location.ts";
import { checkLabels, checkVariableNames } from "./names.ts";
import { checkPlainJson } from "./plain-json.ts";
import { checkInputExists, findProjectFiles, projectFile } from "./project-files.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";
import { folderInWorkingDirectory, insideWorkingDirectory } from "./run-paths.ts";
import type { RunSpec } from "./run-spec.ts";
import { type CheckedRunSpec, runSpecSchema } from "./run-spec-schema.ts";
import { parseDuration, parseSize } from "./units.ts";
import { validationError } from "./zod-issues.ts";

/** What a spec is resolved against. */
export interface ResolveContext {
  /** Used where the spec names no project. */
  project: string;
  user: string;
  /** Absolute folder that relative `script` and `root` start from. */
  cwd: string;
}

/**
 * Checks a RunSpec and fills in every default. Literal secrets are returned apart: the resolved spec never holds one.
 * Looks at files of the project (script, requirements, Dockerfile), changes nothing, and costs nothing.
 * @throws ValidationError naming field, type and an example; ConfigurationError when script and root do not fit together.
 */
export async function resolveSpec(
  spec: RunSpec,
  context: ResolveContext,
): Promise<{ resolved: ResolvedSpec; literalSecrets: Record<string, string> }> {
  checkPlainJson(spec, "The run spec");
  const parsed = runSpecSchema().safeParse(spec);
  if (!parsed.success) throw validationError(parsed.error.issues, spec);
  const checked = parsed.data;
  checkCrossRules(checked);
  checkLabels(checked.labels ?? {});
  checkVariableNames(checked.env ?? {}, checked.secrets ?? {});
  for (const field of ["include", "exclude"] as const) checkPatterns(checked[field] ?? [], field);

  const { root, script } = await findProjectFiles(checked, context.cwd);
  const { secrets, literalSecrets } = splitSecrets(checked.secrets ?? {}, root);
  const resolved: ResolvedSpec = {
    v: 1,
    script,
    command: checked.command,
    args: checked.args ?? [],
    name: checked.name,
    project: checked.project ?? context.project,
    user: context.user,
    labels: checked.labels ?? {},
    key: checked.key,
    root,
    include: checked.include ?? [],
    exclude: checked.exclude ?? [],
    env: checked.env ?? {},
    secrets,
    dependencies: await dependencies(checked.dependencies, root),
    resources: resources(checked.resources),
    providers: list(checked.provider),
    instanceTypes: list(checked.instanceType),
    regions: list(checked.region),
    zones: list(checked.zone),
    machine: checked.machine,
    share: checked.share ?? false,
    market: checked.market ?? "on-demand",
    fallbackAfterMs: parseDuration(checked.fallbackAfter ?? "2m", "fallbackAfter"),
    maxPricePerHour: checked.maxPricePerHour,
    inputs: await inputs(checked.inputs ?? [], root),
    outputs: outputs(checked.outputs ?? [], root),
    checkpoints: checkpoints(checked.checkpoints ?? {}, root),
    container: await container(checked.container ?? "none", root),
    volumes: (checked.volumes ?? []).map((volume, index) => ({
      id: volume.id,
      create: volume.create,
      mount: mountPoint(volume.mount, `volumes[${index}].mount`),
      readOnly: volume.readOnly ?? false,
      onEnd: volume.onEnd ?? "keep",
    })),
    budget:
      checked.budget === undefined
        ? undefined
        : {
            maxCost: checked.budget.maxCost,
            warnAt: [...new Set(checked.budget.warnAt ?? [0.5, 0.8])].sort((a, b) => a - b),
            onExceeded: checked.budget.onExceeded ?? "stop",
          },
    deadline: deadline(checked.deadline),
    maxDurationMs: positiveDuration(checked.maxDuration, "maxDuration"),
    retries: {
      interruptions: finite(checked.retries?.interruptions ?? Number.POSITIVE_INFINITY),
      failures: checked.retries?.failures ?? 0,
      capacityMs: parseDuration(checked.retries?.capacity ?? "30m", "retries.capacity"),
    },
    onEnd:
      typeof checked.onEnd === "object"
        ? { afterMs: parseDuration(checked.onEnd.after, "onEnd.after"), then: checked.onEnd.then }
        : checked.onEnd,
    metrics: (checked.metrics ?? []).map((source, index) =>
      source.file === undefined
        ? source
        : { ...source, file: folderInWorkingDirectory(source.file, `metrics[${index}].file`, '"metrics.jsonl"') },
    ),
    earlyStopping: checked.earlyStopping,
    allow: unique(checked.allow ?? []),
    providerOptions: checked.providerOptions ?? {},
  };
  // JSON once there and back: a copy that shares nothing with the caller's object, and no undefined members.
  return { resolved: JSON.parse(JSON.stringify(resolved)) as ResolvedSpec, literalSecrets };
}

function checkPatterns(patterns: string[], field: "include" | "exclude"): void {
  for (const [index, pattern] of patterns.entries()) {
    if (pattern.replace(/^!/, "").split("/").includes("..")) {
      throw invalidValue({
        field: `${field}[${index}]`,
        value: pattern,
        expected: "a pattern inside the project root",
        example: '"data/*.csv"',
        why: "Patterns do not reach beyond the project root.",
        fix: ["Set root to a folder further up, or bring the data with inputs."],
      });
    }
  }
}

function splitSecrets(
  sources: NonNullable<CheckedRunSpec["secrets"]>,
  root: string,
): Pick<ResolvedSpec, "secrets"> & { literalSecrets: Record<string, string> } {
  const entries = Object.entries(sources);
  const reference = (source: (typeof sources)[string]): ResolvedSpec["secrets"][string] => {
    if (typeof source === "string") return { literal: true };
    return "file" in source ? { file: resolve(root, source.file.replace(/^~(?=\/)/, homedir())) } : source;
  };
  return {
    secrets: Object.fromEntries(entries.map(([name, source]) => [name, reference(source)])),
    literalSecrets: Object.fromEntries(entries.flatMap(([name, source]) => (typeof source === "string" ? [[name, source]] : []))),
  };
}

async function dependencies(value: CheckedRunSpec["dependencies"], root: string): Promise<ResolvedSpec["dependencies"]> {
  if (value === undefined || value === "auto") return { kind: "auto" };
  if (value === "none") return { kind: "none" };
  if ("packages" in value) {
    for (const [index, name] of value.packages.entries()) {
      // The installer would take it for an option of its own.
      if (name.trim().startsWith("-")) {
        throw invalidValue({
          field: `dependencies.packages[${index}]`,
          value: name,
          expected: "a requirement string",
          example: '"numpy>=2"',
          why: "Options of the installer belong into a requirements file.",
        });
      }
    }
    return { kind: "packages", packages: value.packages };
  }
  return { kind: "file", file: await projectFile(root, value.file, "dependencies.file") };
}

function resources(value: CheckedRunSpec["resources"] = {}): ResolvedSpec["resources"] {
  return {
    gpus: parseGpus(value.gpu),
    cpus: value.cpus,
    memoryBytes: positiveSize(value.memory, "resources.memory"),
    diskBytes: positiveSize(value.disk, "resources.disk"),
    nodes: value.nodes ?? 1,
    processesPerNode: value.processesPerNode ?? 1,
  };
}

async function inputs(value: NonNullable<CheckedRunSpec["inputs"]>, root: string): Promise<ResolvedSpec["inputs"]> {
  const resolved = value.map(({ from, to, volume }, index) => ({
    from: resolveLocation(from, root, `inputs[${index}].from`),
    to: insideWorkingDirectory(to, `inputs[${index}].to`, '"data"'),
    volume,
  }));
  for (const [index, input] of resolved.entries()) await checkInputExists(input.from, `inputs[${index}].from`);
  return resolved;
}

function outputs(value: NonNullable<CheckedRunSpec["outputs"]>, root: string): ResolvedSpec["outputs"] {
  return value.map(({ from, to, when = "always" }, index) => ({
    from: insideWorkingDirectory(from, `outputs[${index}].from`, '"plots"'),
    to: resolveLocation(to, root, `outputs[${index}].to`),
    when: typeof when === "string" ? when : { everyMs: parseAtLeast(when.every, `outputs[${index}].when.every`, 1000, "one second") },
  }));
}

function checkpoints(value: NonNullable<CheckedRunSpec["checkpoints"]>, root: string): ResolvedSpec["checkpoints"] {
  if (value === false) return false;
  const { resume = "auto", keep = {} } = value;
  return {
    dir: folderInWorkingDirectory(value.dir ?? "checkpoints", "checkpoints.dir", '"checkpoints"'),
    to: value.to === undefined ? undefined : resolveLocation(value.to, root, "checkpoints.to"),
    resume: resume === "auto" || resume === "never" ? resume : resolveLocation(resume, root, "checkpoints.resume"),
    resumeArgs: value.resumeArgs ?? [],
    keep: { last: keep.last ?? 10, everyMs: positiveDuration(keep.every, "checkpoints.keep.every"), best: keep.best },
    stopSignal: value.stopSignal ?? "SIGTERM",
    graceMs: parseDuration(value.grace ?? "30s", "checkpoints.grace"),
  };
}

async function container(value: NonNullable<CheckedRunSpec["container"]>, root: string): Promise<ResolvedSpec["container"]> {
  if (value === "auto") {
    const dockerfile = await findDockerfile(root);
    return dockerfile === undefined ? "none" : { dockerfile };
  }
  if (value === "none" || value.dockerfile === undefined) return value;
  return { ...value, dockerfile: await projectFile(root, value.dockerfile, "container.dockerfile") };
}

// Without a zone the same text means another instant on another machine.
const ISO_INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/;

function deadline(value: Date | string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const date = typeof value === "string" ? (ISO_INSTANT.test(value) ? new Date(value) : undefined) : value;
  if (date === undefined || Number.isNaN(date.getTime())) {
    throw invalidValue({
      field: "deadline",
      value: typeof value === "string" ? value : "Invalid Date",
      expected: "a Date or an ISO date with time and zone",
      example: '"2026-12-01T18:00:00Z"',
      why: "Without time and zone it would mean another instant on another machine.",
    });
  }
  return date.toISOString();
}

function positiveDuration(value: string | number | undefined, field: string): number | undefined {
  return value === undefined ? undefined : parseAtLeast(value, field, 1, "0");
}

function parseAtLeast(value: string | number, field: string, least: number, shown: string): number {
  const ms = parseDuration(value, field);
  if (ms < least)
    throw invalidValue({
      field,
      value,
      expected: least === 1 ? "a duration above 0" : `a duration of at least ${shown}`,
      example: '"10m"',
    });
  return ms;
}

function positiveSize(value: string | number | undefined, field: string): number | undefined {
  if (value === undefined) return undefined;
  const bytes = parseSize(value, field);
  if (bytes === 0) throw new ValidationError({ what: `${field} is 0.`, fix: ["Leave it out where any will do."], context: { field } });
  return bytes;
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function list(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : typeof value === "string" ? [value] : unique(value);
}

function unique(values: string[]): string[] {
  return [...new Set(values)];
}
