import { join } from "node:path";
import type { ResolvedSpec } from "../spec/resolved-spec.ts";
import type { RunSpec } from "../spec/run-spec.ts";

/** A resolved spec as a RunSpec again, with changes. Literal secrets and the key are not carried over: the caller gives new ones. */
export function respec(old: ResolvedSpec, changes: Partial<RunSpec>): RunSpec {
  const secrets = Object.fromEntries(
    Object.entries(old.secrets).flatMap(([name, source]) => ("literal" in source ? [] : [[name, source]])),
  );
  const { dependencies, retries } = old;
  const spec: RunSpec = {
    ...(old.script === undefined ? {} : { script: join(old.root, old.script) }),
    ...(old.command === undefined ? {} : { command: old.command }),
    args: old.args,
    ...(old.name === undefined ? {} : { name: old.name }),
    project: old.project,
    labels: old.labels,
    root: old.root,
    include: old.include,
    exclude: old.exclude,
    env: old.env,
    secrets,
    dependencies:
      dependencies.kind === "file"
        ? { file: dependencies.file }
        : dependencies.kind === "packages"
          ? { packages: dependencies.packages }
          : dependencies.kind,
    resources: {
      ...(old.resources.gpus.length === 0 ? {} : { gpu: old.resources.gpus.map((gpu) => `${gpu.name}:${gpu.count}`) }),
      ...(old.resources.cpus === undefined ? {} : { cpus: old.resources.cpus }),
      ...(old.resources.memoryBytes === undefined ? {} : { memory: old.resources.memoryBytes }),
      ...(old.resources.diskBytes === undefined ? {} : { disk: old.resources.diskBytes }),
      nodes: old.resources.nodes,
      processesPerNode: old.resources.processesPerNode,
    },
    ...some("provider", old.providers),
    ...some("instanceType", old.instanceTypes),
    ...some("region", old.regions),
    ...some("zone", old.zones),
    ...(old.machine === undefined ? {} : { machine: old.machine }),
    share: old.share,
    market: old.market,
    // A resolved spec always has one; with another market it would be refused as without effect.
    ...((changes.market ?? old.market) === "spot-then-on-demand" ? { fallbackAfter: old.fallbackAfterMs } : {}),
    ...(old.maxPricePerHour === undefined ? {} : { maxPricePerHour: old.maxPricePerHour }),
    inputs: old.inputs,
    outputs: old.outputs.map((output) => ({
      ...output,
      when: typeof output.when === "object" ? { every: output.when.everyMs } : output.when,
    })),
    checkpoints: checkpointsOf(old),
    container: old.container,
    volumes: old.volumes,
    ...(old.budget === undefined ? {} : { budget: old.budget }),
    ...(old.deadline === undefined ? {} : { deadline: old.deadline }),
    ...(old.maxDurationMs === undefined ? {} : { maxDuration: old.maxDurationMs }),
    retries: { interruptions: retries.interruptions ?? Number.POSITIVE_INFINITY, failures: retries.failures, capacity: retries.capacityMs },
    ...(old.onEnd === undefined
      ? {}
      : { onEnd: typeof old.onEnd === "object" ? { after: old.onEnd.afterMs, then: old.onEnd.then } : old.onEnd }),
    metrics: old.metrics,
    ...(old.earlyStopping === undefined ? {} : { earlyStopping: old.earlyStopping }),
    allow: old.allow,
    providerOptions: old.providerOptions,
  };
  return { ...spec, ...changes };
}

function checkpointsOf(old: ResolvedSpec): RunSpec["checkpoints"] {
  if (old.checkpoints === false) return false;
  const { graceMs, keep, to, ...rest } = old.checkpoints;
  const { everyMs, ...kept } = keep;
  return {
    ...rest,
    ...(to === undefined ? {} : { to }),
    resume: "auto",
    grace: graceMs,
    keep: { ...kept, ...(everyMs === undefined ? {} : { every: everyMs }) },
  };
}

function some<K extends "provider" | "instanceType" | "region" | "zone">(key: K, values: string[]): { [P in K]?: string[] } {
  return values.length === 0 ? {} : ({ [key]: values } as { [P in K]: string[] });
}
