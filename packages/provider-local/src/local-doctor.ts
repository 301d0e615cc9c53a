import { access, constants } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock, DoctorFinding } from "@runctl/core/provider";
import { diskOf } from "./local-offers.ts";
import { queryGpus } from "./nvidia-smi.ts";
import { type CommandResult, runCommand } from "./run-command.ts";
import { safeEnv } from "./safe-env.ts";

const GIB = 1024 ** 3;

/** Whether this computer can train: Python, uv, Docker, GPUs, disk and the home folder. Changes nothing. */
export async function localDoctor(home: string, clock: Clock): Promise<DoctorFinding[]> {
  const run = (argv: [string, ...string[]]): Promise<CommandResult | undefined> =>
    runCommand(clock, argv, { env: safeEnv(process.env), timeoutMs: 10_000 }).catch(() => undefined);
  return Promise.all([
    run(["python3", "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"]).then(python),
    run(["uv", "--version"]).then(uv),
    run(["docker", "version", "--format", "{{.Server.Version}}"]).then(dockerEngine),
    queryGpus(clock).then(({ gpus, problem }) =>
      problem === undefined
        ? finding(
            "local-gpu",
            "ok",
            gpus.length === 0 ? "No NVIDIA GPU: training uses the CPU." : `${gpus.length} GPU: ${gpus.map((gpu) => gpu.name).join(", ")}.`,
          )
        : finding(
            "local-gpu",
            "warning",
            `nvidia-smi fails: ${problem}`,
            "Repair or reload the NVIDIA driver (a reboot after an upgrade often does).",
          ),
    ),
    disk(home),
    writable(home),
  ]);
}

function finding(id: string, severity: DoctorFinding["severity"], what: string, ...fix: string[]): DoctorFinding {
  return { id, severity, what, fix };
}

function python(result: CommandResult | undefined): DoctorFinding {
  const version = result?.exitCode === 0 ? result.stdout.trim() : undefined;
  const [major = 0, minor = 0] = version?.split(".").map(Number) ?? [];
  if (version === undefined)
    return finding("local-python", "error", "There is no working python3.", "Install Python 3.8 or newer, so that `python3` starts it.");
  if (major < 3 || (major === 3 && minor < 8))
    return finding("local-python", "error", `python3 is ${version}, which is too old.`, "Install Python 3.8 or newer.");
  return finding("local-python", "ok", `python3 is ${version}.`);
}

function uv(result: CommandResult | undefined): DoctorFinding {
  if (result?.exitCode === 0) return finding("local-uv", "ok", `${result.stdout.trim()}.`);
  return finding(
    "local-uv",
    "ok",
    "uv is not installed: dependencies are installed by pip, which is slower.",
    "Install uv for faster starts.",
  );
}

function dockerEngine(result: CommandResult | undefined): DoctorFinding {
  if (result?.exitCode === 0 && result.stdout.trim() !== "") return finding("local-docker", "ok", `Docker engine ${result.stdout.trim()}.`);
  if (result?.exitCode === 127)
    return finding(
      "local-docker",
      "ok",
      "Docker is not installed: runs in containers are not possible.",
      "Install Docker to use `container`.",
    );
  return finding(
    "local-docker",
    "warning",
    "Docker is installed, but its engine does not answer.",
    "Start the engine, and let this user use it (group docker).",
  );
}

async function disk(home: string): Promise<DoctorFinding> {
  const space = await diskOf(home);
  if (space === undefined) return finding("local-disk", "warning", `The free space at ${home} cannot be read.`);
  const free = `${(space.freeBytes / GIB).toFixed(1)} GiB are free at ${home}.`;
  if (space.freeBytes < 1 * GIB)
    return finding("local-disk", "error", free, "Free some space, or choose another folder with local({ home }).");
  if (space.freeBytes < 5 * GIB) return finding("local-disk", "warning", free, "Data, environments and checkpoints may need more.");
  return finding("local-disk", "ok", free);
}

async function writable(home: string): Promise<DoctorFinding> {
  for (let at = home; ; at = dirname(at)) {
    const problem = await access(at, constants.W_OK | constants.X_OK).then(
      () => "",
      (error: unknown) => String((error as { code?: unknown }).code),
    );
    if (problem === "") return finding("local-home", "ok", `${home} can be written.`);
    if (problem !== "ENOENT" || dirname(at) === at) {
      return finding(
        "local-home",
        "error",
        `${home} cannot be written (${problem} at ${at}).`,
        "Choose another folder with local({ home }) or RUNCTL_LOCAL_HOME.",
      );
    }
  }
}
