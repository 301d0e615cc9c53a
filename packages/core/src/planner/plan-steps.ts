import type { ResolvedSpec } from "../spec/resolved-spec.ts";
import { formatDuration } from "../spec/units.ts";
import type { PlanStep, RankedOffer, RunPlan } from "./plan-types.ts";

/** What would be done, in order. */
export function planSteps(spec: ResolvedSpec, chosen: RankedOffer | undefined, files: RunPlan["files"], sharedHost: boolean): PlanStep[] {
  const steps: PlanStep[] = [
    {
      do: "upload",
      what: `Keep ${files.count} files of ${spec.root} in the run's store (${files.changed} are new).`,
      sizeBytes: files.bytes,
    },
  ];
  if (spec.machine !== undefined) steps.push({ do: "use", what: `Use the machine ${spec.machine}.` });
  else if (chosen !== undefined) {
    const { offer } = chosen;
    const where = offer.zone ?? offer.region;
    const count = spec.resources.nodes === 1 ? "" : `${spec.resources.nodes} × `;
    const place = where === undefined ? "" : ` in ${where}`;
    steps.push({
      do: "create",
      what: sharedHost
        ? `Use this computer (${offer.type}).`
        : `Create ${count}${offer.type} (${offer.market})${place} at ${offer.provider}.`,
    });
  }
  for (const volume of spec.volumes) {
    steps.push({
      do: "volume",
      what: `${volume.id === undefined ? "Create a volume" : `Attach ${volume.id}`} at ${volume.mount}.`,
      ...(volume.create === undefined ? {} : { sizeBytes: volume.create.sizeBytes }),
    });
  }
  steps.push(
    { do: "guard", what: "Arm the guardian, before anything else." },
    { do: "stage", what: "Unpack the code.", sizeBytes: files.bytes },
  );
  for (const input of spec.inputs) steps.push({ do: "input", what: `Bring ${input.from} to ${input.to}.` });
  if (typeof spec.container === "object")
    steps.push({
      do: "image",
      what:
        spec.container.image === undefined
          ? `Build ${spec.container.dockerfile ?? "the project's Dockerfile"}.`
          : `Pull ${spec.container.image}.`,
    });
  if (spec.dependencies.kind !== "none") steps.push({ do: "dependencies", what: describeDependencies(spec.dependencies) });
  steps.push({ do: "train", what: `Run ${spec.script ?? spec.command?.[0] ?? "the command"} with ${spec.args.length} arguments.` });
  if (spec.checkpoints !== false)
    steps.push({ do: "publish", what: `Publish complete checkpoints of ${spec.checkpoints.dir} while it trains.` });
  for (const output of spec.outputs) steps.push({ do: "collect", what: `Bring ${output.from} to ${output.to}.` });
  steps.push(
    { do: "collect", what: "Collect RUNCTL_OUTPUT_DIR into the run's store." },
    { do: "end", what: describeEnd(spec, sharedHost) },
  );
  return steps;
}

function describeDependencies(dependencies: ResolvedSpec["dependencies"]): string {
  if (dependencies.kind === "file") return `Install ${dependencies.file}.`;
  if (dependencies.kind === "packages") return `Install ${dependencies.packages.join(", ")}.`;
  return "Install what the project's lock or requirements file asks for, if it has one.";
}

function describeEnd({ onEnd, machine }: ResolvedSpec, sharedHost: boolean): string {
  const policy = onEnd ?? (machine === undefined && !sharedHost ? "terminate" : "keep");
  if (typeof policy === "object")
    return `${policy.then === "stop" ? "Stop" : "Terminate"} the machine ${formatDuration(policy.afterMs)} after everything is saved.`;
  if (policy === "keep") return "Leave the machine as it is.";
  return `${policy === "stop" ? "Stop" : "Terminate"} the machine, once everything is saved.`;
}
