import {
  type Clock,
  ConfigurationError,
  type ImageBuildRequest,
  NotFoundError,
  type ProviderImages,
  StorageError,
} from "@runctl/core/provider";
import { docker } from "./docker.ts";
import type { CommandResult } from "./run-command.ts";

/** Images through the docker client and engine of this computer. @throws ConfigurationError when there is none. */
export function localImages(clock: Clock): ProviderImages {
  return {
    async build(request) {
      // Values of build arguments travel in the environment: a command line can be read by every user.
      const argv = [
        "build",
        "-t",
        request.tag,
        "-f",
        request.dockerfile,
        ...Object.keys(request.buildArgs).flatMap((key) => ["--build-arg", key]),
        "--",
        request.contextDir,
      ];
      const lines = lineReader(request.onOutput);
      const result = await docker(argv, { env: request.buildArgs, signal: request.signal, onOutput: lines.add }, clock);
      lines.end();
      if (result.exitCode !== 0) throw await dockerError(clock, `Building the image ${request.tag} failed.`, result);
      return inspect(clock, request.tag);
    },
    resolve: (image) => inspect(clock, image),
  };
}

async function inspect(clock: Clock, image: string): Promise<{ image: string; digest: string }> {
  const result = await docker(["image", "inspect", "--format", "{{.Id}}", "--", image], { timeoutMs: 30_000 }, clock);
  const digest = result.stdout.trim();
  if (result.exitCode === 0 && digest !== "") return { image, digest };
  if (/no such image/i.test(result.stderr)) {
    throw new NotFoundError({
      what: `This computer has no image ${JSON.stringify(image)}.`,
      fix: ["Pull it with `docker pull`, or build it."],
      context: { image },
    });
  }
  throw await dockerError(clock, `Looking up the image ${JSON.stringify(image)} failed.`, result);
}

async function dockerError(clock: Clock, what: string, result: CommandResult): Promise<Error> {
  const tail = (result.stderr || result.stdout).trim().split("\n").slice(-10).join("\n");
  const engine = await docker(["version", "--format", "{{.Server.Version}}"], { timeoutMs: 10_000 }, clock).catch(() => undefined);
  if (engine?.exitCode === 0)
    return new StorageError({
      what,
      why: tail,
      fix: ["Correct what the last lines say and try again."],
      context: { exitCode: result.exitCode },
    });
  return new ConfigurationError({
    what: `${what} Docker does not answer on this computer.`,
    why: engine?.exitCode === 127 ? "There is no docker command." : tail,
    fix: [
      "Install Docker and start its engine, and let this user use it (group docker).",
      'Or train without a container: container: "none".',
    ],
  });
}

function lineReader(onLine: ImageBuildRequest["onOutput"]): { add: (chunk: Uint8Array) => void; end: () => void } {
  const decoder = new TextDecoder();
  let rest = "";
  return {
    add(chunk) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r?\n|\r/);
      rest = lines.pop() ?? "";
      for (const line of lines) onLine?.(line);
    },
    end() {
      if (rest !== "") onLine?.(rest);
    },
  };
}
