/** What one field of RunSpec takes: the source of error messages and of docs/guides/run-spec.md. */
export interface FieldGuide {
  /** "a duration": continues "must be". */
  takes: string;
  /** As prose: what happens when it is left out. */
  default: string;
  /** Source text of a good value. */
  example: string;
  meaning: string;
}

const field = (takes: string, byDefault: string, example: string, meaning: string): FieldGuide => ({
  takes,
  default: byDefault,
  example,
  meaning,
});

/** Keys are paths; "[]" stands for an index, "*" for any key. Order is that of the guide. */
export const RUN_SPEC_FIELDS: Readonly<Record<string, FieldGuide>> = {
  script: field(
    "the path of a script inside the project root",
    "none; script or command is required",
    '"training/train.py"',
    "The Python script to run. A relative path starts at the current folder, or else at `root` where that is given; subfolders are kept.",
  ),
  command: field(
    "an array of strings, program first",
    "none; script or command is required",
    '["python3", "-m", "trainer"]',
    "A program and its arguments instead of a script. Never a shell string: each item arrives literally.",
  ),
  "command[]": field("a string", "none", '"--verbose"', "One item of the command."),
  args: field("an array of strings", "[]", '["--epochs", "20"]', "Arguments, passed literally after the script or command."),
  "args[]": field("a string", "none", '"--epochs"', "One argument."),
  name: field("text of 1 to 128 characters", "none", '"digits baseline"', "A name for people; need not be unique."),
  project: field(
    "1 to 64 letters, digits, dots, dashes or underscores, beginning with a letter or digit",
    "the project of the Runctl object",
    '"digits"',
    "What costs, budgets and cleanup are grouped by.",
  ),
  labels: field("an object of strings", "{}", '{ team: "vision" }', "Your own tags; keys and values have at most 128 characters."),
  "labels.*": field("text of at most 128 characters", "none", '"vision"', "The value of one label."),
  key: field(
    "text of 1 to 256 characters",
    "none: every call is a new run",
    '"nightly-2026-11-22"',
    "Idempotency within the project: the same key gives the same run, ended ones too; a different spec under it is a ConflictError.",
  ),
  root: field(
    "the path of a folder",
    "the nearest folder upwards from the script that looks like a project root",
    '"."',
    "The folder that is staged to the training machine. Relative to the current folder.",
  ),
  include: field(
    "an array of patterns",
    "[]",
    '["data/labels.csv"]',
    "Files to stage although .gitignore or .runctlignore leave them out.",
  ),
  "include[]": field("a pattern inside the project root", "none", '"data/labels.csv"', "One pattern, in .gitignore syntax."),
  exclude: field(
    "an array of patterns",
    "[]",
    '["*.mp4", "notebooks/"]',
    "Files not to stage, on top of .gitignore and .runctlignore. Secrets are left out by default.",
  ),
  "exclude[]": field("a pattern inside the project root", "none", '"*.mp4"', "One pattern, in .gitignore syntax."),
  env: field(
    "an object of strings",
    "{}",
    '{ WANDB_MODE: "offline" }',
    "Environment of the training. Stored as it is: put nothing secret here.",
  ),
  "env.*": field("a string", "none", '"offline"', "The value of one variable."),
  secrets: field(
    "an object whose values are { env }, { file }, { ref } or a literal string",
    "{}",
    '{ HF_TOKEN: { env: "HF_TOKEN" } }',
    "Secret environment of the training. References are stored and resolved by whoever drives the run; a literal value lives in this process's memory and on the host only, so a later driver has to be given it again.",
  ),
  "secrets.*": field(
    "{ env }, { file }, { ref } or a literal string that is not empty",
    "none",
    '{ env: "HF_TOKEN" }',
    "Where one secret comes from.",
  ),
  "secrets.*.env": field("the name of an environment variable", "none", '"HF_TOKEN"', "Read from the driving process's environment."),
  "secrets.*.file": field(
    "the path of a file",
    "none",
    '"~/.config/hf-token"',
    "Read by the driving process; one newline at the end is stripped.",
  ),
  "secrets.*.ref": field(
    "a reference that your resolveSecret understands",
    "none",
    '"vault:kv/hf#token"',
    "Given to the resolveSecret option.",
  ),
  dependencies: field(
    '"auto", "none", { file } or { packages }',
    '"auto": the lock or requirements file of the project, if it has one',
    '{ file: "requirements.txt" }',
    "What to install before the training; with uv when present, else pip, cached by the hash of the lock.",
  ),
  "dependencies.file": field("the path of a file inside the project root", "none", '"requirements.txt"', "Requirements or lock file."),
  "dependencies.packages": field("an array of requirement strings", "none", '["numpy>=2"]', "Packages by name."),
  "dependencies.packages[]": field("a requirement string", "none", '"numpy>=2"', "One package."),
  resources: field(
    "an object",
    "{}: any machine will do",
    '{ gpu: "A10G", memory: "16GiB" }',
    "What the machine must have; each field narrows the choice.",
  ),
  "resources.gpu": field(
    "an accelerator's name, optionally with a count, or an array of them, best liked first",
    "none needed",
    '["A10G", "L4:2"]',
    'Accelerators of one machine: "A100:2" is two of them.',
  ),
  "resources.gpu[]": field("an accelerator's name, optionally with a count from 1 to 64", "none", '"A100:2"', "One wish."),
  "resources.cpus": field("a number above 0", "any", "8", "Virtual CPUs at least."),
  "resources.memory": field("a size above 0", "any", '"16GiB"', "Memory at least."),
  "resources.disk": field("a size above 0", "the provider's default", '"100GiB"', "Disk at least."),
  "resources.nodes": field("a whole number from 1", "1", "2", "Machines that train together."),
  "resources.processesPerNode": field(
    'a whole number from 1, or "gpu"',
    "1",
    '"gpu"',
    'Processes on each machine through torchrun; "gpu" is one for each accelerator.',
  ),
  provider: field("a provider's name or an array of them", "all providers of the Runctl object", '"aws"', "Only these providers."),
  "provider[]": field("a provider's name", "none", '"aws"', "One provider."),
  instanceType: field("a machine type or an array of them", "any that fits", '"g5.xlarge"', "Only these machine types."),
  "instanceType[]": field("a machine type", "none", '"g5.xlarge"', "One type."),
  region: field("a region or an array of them", "the provider's own choice", '"us-east-1"', "Only these regions."),
  "region[]": field("a region", "none", '"us-east-1"', "One region."),
  zone: field("a zone or an array of them", "any", '"us-east-1a"', "Only these zones."),
  "zone[]": field("a zone", "none", '"us-east-1a"', "One zone."),
  machine: field(
    "the id of a machine",
    "none: a machine is bought",
    '"aws/us-east-1/machine/i-0abc"',
    "Train on a machine that exists already. Refused while it is training, unless share is true.",
  ),
  share: field("true or false", "false", "true", "Whether other trainings may run on the machine at the same time."),
  market: field(
    '"on-demand", "spot", "spot-then-on-demand" or "auto"',
    '"on-demand"',
    '"spot"',
    'How to buy. "auto" is the cheapest expected cost, spot only with checkpoints.',
  ),
  fallbackAfter: field(
    "a duration",
    '"2m"',
    '"5m"',
    "How long spot-then-on-demand tries to get spot. The fallback is an event with both prices.",
  ),
  maxPricePerHour: field(
    "a number of at least 0, in the provider's currency",
    "no limit",
    "1.5",
    "Dearer offers, and offers without a price, are left out.",
  ),
  inputs: field(
    "an array of { from, to }",
    "[]",
    '[{ from: "s3://bucket/data/", to: "data" }]',
    "Data to bring to the machine before the training starts.",
  ),
  "inputs[]": field("{ from, to }", "none", '{ from: "s3://bucket/data/", to: "data" }', "One input."),
  "inputs[].from": field(
    "a location: a path, file://… or s3://…",
    "none; required",
    '"s3://bucket/data/"',
    "Where it comes from. A relative path starts at the project root.",
  ),
  "inputs[].to": field("a path relative to the training's working directory", "none; required", '"data"', "Where the training finds it."),
  "inputs[].volume": field("the id or mount of a volume", "none", '"/data"', "A volume to keep it on."),
  outputs: field(
    "an array of { from, to }",
    "[]",
    '[{ from: "plots", to: "results/plots" }]',
    "Files to bring home. RUNCTL_OUTPUT_DIR is always collected as well.",
  ),
  "outputs[]": field("{ from, to }", "none", '{ from: "plots", to: "results/plots" }', "One output."),
  "outputs[].from": field("a path relative to the training's working directory", "none; required", '"plots"', "What the training writes."),
  "outputs[].to": field(
    "a location: a path, file://… or s3://…",
    "none; required",
    '"s3://bucket/plots/"',
    "Where it goes. A relative path starts at the project root.",
  ),
  "outputs[].when": field(
    '"end", "always" or { every }',
    '"always"',
    '{ every: "10m" }',
    '"end": after the training succeeded or was stopped; "always": after a failure too; { every }: during the training as well.',
  ),
  "outputs[].when.every": field("a duration of at least one second", "none", '"10m"', "How often."),
  checkpoints: field(
    "false or an object",
    '{ dir: "checkpoints" }',
    '{ dir: "checkpoints", resumeArgs: ["--resume", "{checkpoint}"] }',
    "Where the script saves checkpoints. false: it saves none, so that an interruption loses everything.",
  ),
  "checkpoints.dir": field(
    "a path relative to the training's working directory",
    '"checkpoints"',
    '"checkpoints"',
    "Folder the script saves into; also in RUNCTL_CHECKPOINT_DIR.",
  ),
  "checkpoints.to": field(
    "a location: a path, file://… or s3://…",
    "the run's store",
    '"s3://bucket/ckpt/"',
    "Where checkpoints are published.",
  ),
  "checkpoints.resume": field(
    '"auto", "never" or the location of a checkpoint',
    '"auto"',
    '"never"',
    '"auto": the newest good checkpoint of this run.',
  ),
  "checkpoints.resumeArgs": field(
    "an array of strings",
    "[]",
    '["--resume", "{checkpoint}"]',
    "Arguments added when resuming; {checkpoint} becomes its path. RUNCTL_RESUME_FROM has it always.",
  ),
  "checkpoints.resumeArgs[]": field("a string", "none", '"{checkpoint}"', "One argument."),
  "checkpoints.keep": field("an object", "{ last: 10 }", "{ last: 3 }", "Which published checkpoints to keep."),
  "checkpoints.keep.last": field("a whole number from 1", "10", "3", "The newest so many."),
  "checkpoints.keep.every": field("a duration above 0", "none", '"6h"', "And one for each such stretch of time."),
  "checkpoints.keep.best": field("{ metric, mode }", "none", '{ metric: "val_loss", mode: "min" }', "And the best one by a metric."),
  "checkpoints.keep.best.metric": field("a metric's name", "none; required", '"val_loss"', "The metric."),
  "checkpoints.keep.best.mode": field('"min" or "max"', "none; required", '"min"', "Which way is better."),
  "checkpoints.stopSignal": field('"SIGTERM", "SIGUSR1" or "SIGINT"', '"SIGTERM"', '"SIGUSR1"', "What tells the script to save and end."),
  "checkpoints.grace": field("a duration", '"30s"', '"2m"', "How long it may take for that; 60 s at most inside a spot notice."),
  container: field(
    '"auto", "none" or an object',
    '"none"',
    '{ image: "pytorch/pytorch:latest" }',
    '"auto" uses the Dockerfile of the project, if there is one.',
  ),
  "container.image": field("an image reference", "none", '"pytorch/pytorch:latest"', "Image to train in."),
  "container.dockerfile": field(
    "the path of a file inside the project root",
    "searched in the usual places",
    '"docker/Dockerfile"',
    "Image to build.",
  ),
  "container.buildArgs": field(
    "an object of strings",
    "{}",
    '{ CUDA: "12.4" }',
    "Arguments of the build. Not for secrets: they stay in the image.",
  ),
  "container.buildArgs.*": field("a string", "none", '"12.4"', "One argument."),
  "container.gpus": field('"auto" or "none"', '"auto": all that the machine has', '"none"', "Whether the container gets the accelerators."),
  volumes: field("an array of { id, mount } or { create, mount }", "[]", '[{ id: "vol-0abc", mount: "/data" }]', "Volumes to attach."),
  "volumes[]": field("{ id, mount } or { create, mount }", "none", '{ id: "vol-0abc", mount: "/data" }', "One volume."),
  "volumes[].id": field("the id of a volume", "none; id or create is required", '"vol-0abc"', "A volume that exists."),
  "volumes[].create": field("an object with sizeBytes", "none; id or create is required", "{ sizeBytes: 500e9 }", "A volume to make."),
  "volumes[].create.name": field("text", "made up", '"data"', "Its name."),
  "volumes[].create.sizeBytes": field("a whole number above 0", "none; required", "500e9", "Its size in bytes."),
  "volumes[].create.zone": field("a zone", "the machine's", '"us-east-1a"', "Its zone."),
  "volumes[].create.type": field("a volume type", "the provider's default", '"gp3"', "Its type."),
  "volumes[].create.encrypted": field("true or false", "the provider's default", "true", "Whether it is encrypted."),
  "volumes[].create.iops": field("a whole number above 0", "the provider's default", "6000", "Operations per second."),
  "volumes[].create.throughputMiBps": field("a whole number above 0", "the provider's default", "500", "Throughput in MiB/s."),
  "volumes[].create.persistent": field("true or false", "false", "true", "Marks it as not to be cleaned up."),
  "volumes[].create.fromSnapshot": field("the id of a snapshot", "empty", '"snap-0abc"', "What it starts with."),
  "volumes[].mount": field(
    "an absolute path, not one of the system's own folders",
    "none; required",
    '"/data"',
    "Where it appears, on the host and in the container.",
  ),
  "volumes[].readOnly": field("true or false", "false", "true", "Whether it is mounted read-only."),
  "volumes[].onEnd": field('"keep" or "delete"', '"keep"', '"delete"', "What becomes of it after the run."),
  budget: field("{ maxCost }", "none", "{ maxCost: 20 }", "What the run may cost. A budget over an offer without a price is refused."),
  "budget.maxCost": field("a number above 0, in the provider's currency", "none; required", "20", "The limit."),
  "budget.warnAt": field(
    "an array of fractions above 0 and up to 1",
    "[0.5, 0.8]",
    "[0.5, 0.9]",
    "Fractions of maxCost at which a budget-warning event is sent.",
  ),
  "budget.warnAt[]": field("a fraction above 0 and up to 1", "none", "0.8", "One fraction."),
  "budget.onExceeded": field(
    '"stop" or "warn"',
    '"stop"',
    '"warn"',
    '"stop" saves a checkpoint and ends the run before the limit is passed.',
  ),
  deadline: field("a Date or an ISO date with time and zone", "none", '"2026-12-01T18:00:00Z"', "When the run must be over."),
  maxDuration: field("a duration above 0", "none", '"8h"', "How long the training may take, all attempts together."),
  retries: field(
    "an object",
    '{ interruptions: Infinity, failures: 0, capacity: "30m" }',
    "{ failures: 2 }",
    "Three separate budgets of patience.",
  ),
  "retries.interruptions": field(
    "a whole number from 0, or Infinity",
    "Infinity",
    "10",
    "Replacements after interruptions, which are nobody's fault.",
  ),
  "retries.failures": field("a whole number from 0", "0", "2", "Repetitions after the script failed."),
  "retries.capacity": field("a duration", '"30m"', '"2h"', "How long to look for a machine."),
  onEnd: field(
    '"terminate", "stop", "keep" or { after, then }',
    '"terminate" for machines the run created, "keep" for others',
    '{ after: "10m", then: "stop" }',
    "What becomes of the machine, once everything is saved.",
  ),
  "onEnd.after": field("a duration", "none; required", '"10m"', "How long to wait."),
  "onEnd.then": field('"terminate" or "stop"', "none; required", '"stop"', "What to do then."),
  metrics: field(
    "an array of { name, pattern } or { file }",
    "[]",
    '[{ name: "loss", pattern: "loss is ([0-9.]+)" }]',
    "Metrics to read besides the usual forms, which are always recognised.",
  ),
  "metrics[]": field("{ name, pattern } or { file }", "none", '{ name: "loss", pattern: "loss is ([0-9.]+)" }', "One source of metrics."),
  "metrics[].name": field("a metric's name", "the group `name` of the pattern, or the keys of the file", '"loss"', "The metric."),
  "metrics[].pattern": field(
    "a JavaScript regular expression with a group for the value",
    "none; pattern or file is required",
    '"loss is ([0-9.]+)"',
    "The first group, or the group `value`, is the number; groups `step` and `name` are optional.",
  ),
  "metrics[].file": field(
    "a path relative to the training's working directory",
    "none; pattern or file is required",
    '"metrics.jsonl"',
    "A file of JSON lines.",
  ),
  earlyStopping: field(
    "{ metric, mode, patience }",
    "none",
    '{ metric: "val_loss", mode: "min", patience: 5 }',
    "Stops a run that no longer improves, with a checkpoint.",
  ),
  "earlyStopping.metric": field("a metric's name", "none; required", '"val_loss"', "The metric."),
  "earlyStopping.mode": field('"min" or "max"', "none; required", '"min"', "Which way is better."),
  "earlyStopping.patience": field("a whole number from 1", "none; required", "5", "Points without improvement before it stops."),
  "earlyStopping.minDelta": field("a number of at least 0", "0", "0.001", "What counts as improvement."),
  allow: field("an array of refusal ids", "[]", '["spot-costs-more"]', "Refusals of the plan to go on in spite of."),
  "allow[]": field("the id of a refusal", "none", '"spot-costs-more"', "One refusal."),
  providerOptions: field(
    "an object: provider name to that provider's options",
    "{}",
    '{ aws: { subnetId: "subnet-0abc" } }',
    "Options that only one provider knows; it checks them at plan time.",
  ),
  "providerOptions.*": field(
    "an object of that provider's options, plain JSON",
    "none",
    '{ subnetId: "subnet-0abc" }',
    "One provider's options.",
  ),
};

/** The guide's entry for a path of keys and indexes, the nearest one above where there is none. */
export function guideFor(path: readonly PropertyKey[]): { key: string; guide: FieldGuide | undefined } {
  for (let length = path.length; length > 0; length -= 1) {
    const key = guideKey(path.slice(0, length));
    const guide = RUN_SPEC_FIELDS[key];
    if (guide !== undefined) return { key, guide };
  }
  return { key: "", guide: undefined };
}

const FREE_KEYS = new Set(["labels", "env", "secrets", "providerOptions", "container.buildArgs"]);

function guideKey(path: readonly PropertyKey[]): string {
  let key = "";
  for (const part of path) {
    if (typeof part === "number") key += "[]";
    else if (FREE_KEYS.has(key)) key += ".*";
    else key += key === "" ? String(part) : `.${String(part)}`;
  }
  return key;
}
