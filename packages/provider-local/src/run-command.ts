import { type ChildProcess, spawn } from "node:child_process";
import { stat } from "node:fs/promises";
import { type Clock, NotFoundError, TimeoutError, ValidationError } from "@runctl/core/provider";
import { OutputBuffer } from "./output-buffer.ts";
import { processesWithMarks } from "./processes.ts";
import { errnoOf } from "./storage-error.ts";

/** How a command is run. The environment is exactly `env`. */
export interface CommandOptions {
  env: Record<string, string>;
  cwd?: string | undefined;
  stdin?: string | Uint8Array | undefined;
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
  /** "NAME=value" in `env`, by which processes that left the group are found when the command is given up. */
  mark?: string | undefined;
  /** Asked once the command runs: when it rejects, the command is given up with that reason. */
  stillWanted?: (() => Promise<void>) | undefined;
  /** Called with every chunk of both streams. */
  onOutput?: ((chunk: Uint8Array) => void) | undefined;
}

export interface CommandResult {
  exitCode: number;
  signal?: string | undefined;
  stdout: string;
  stderr: string;
}

/** After the end of a command, its daemons may hold the pipes open: silence for this long ends the reading. */
const DRAIN_MS = 100;

/**
 * Runs argv (no shell) in a session of its own to its end. Each stream is kept up to 8 MiB, the rest is read and dropped. A
 * command that does not exist ends with 127, one that may not be run with 126, as in a shell; one ended by a signal with 128 + n.
 * @throws the signal's own reason on abort, TimeoutError, NotFoundError for a missing `cwd`; what the command started is killed first.
 */
export async function runCommand(clock: Clock, argv: readonly [string, ...string[]], options: CommandOptions): Promise<CommandResult> {
  options.signal?.throwIfAborted();
  await checkCwd(options.cwd);
  const started = start(argv, options);
  if ("exitCode" in started) return started;
  const { child } = started;
  const stdout = new OutputBuffer();
  const stderr = new OutputBuffer();
  return new Promise((resolve, reject) => {
    let settled = false;
    let exit: { code: number | null; signal: NodeJS.Signals | null } | undefined;
    let drain = clock.timer(0, () => undefined);
    const limit =
      options.timeoutMs === undefined ? undefined : clock.timer(options.timeoutMs, () => giveUp(timeout(argv, options.timeoutMs ?? 0)));
    const onAbort = (): void => giveUp(options.signal?.reason);
    options.signal?.addEventListener("abort", onAbort, { once: true });
    const settle = (finish: () => void): void => {
      if (settled) return;
      settled = true;
      drain.cancel();
      limit?.cancel();
      options.signal?.removeEventListener("abort", onAbort);
      child.stdin?.destroy();
      child.stdout?.destroy();
      child.stderr?.destroy();
      finish();
    };
    let givenUp = false;
    const giveUp = (reason: unknown): void => {
      givenUp = true;
      void killTree(clock, child, options.mark).finally(() => settle(() => reject(reason)));
    };
    const done = (): void => {
      // Its end by our own hand is no result.
      if (!givenUp) settle(() => resolve(result(exit, stdout, stderr)));
    };
    const waitForSilence = (): void => {
      drain.cancel();
      if (!settled) drain = clock.timer(DRAIN_MS, done);
    };
    const collect = (buffer: OutputBuffer) => (chunk: Uint8Array) => {
      buffer.add(chunk);
      options.onOutput?.(chunk);
      if (exit !== undefined) waitForSilence();
    };
    child.stdout?.on("data", collect(stdout)).on("error", () => undefined);
    child.stderr?.on("data", collect(stderr)).on("error", () => undefined);
    // A command that does not read its input is no error.
    child.stdin?.on("error", () => undefined).end(options.stdin ?? "");
    child.on("error", (error) => {
      if (child.pid === undefined) settle(() => resolve(couldNotStart(argv[0], error)));
    });
    child.on("exit", (code, signal) => {
      exit = { code, signal };
      waitForSilence();
    });
    child.on("close", done);
    options.stillWanted?.().catch((reason: unknown) => settled || giveUp(reason));
  });
}

async function checkCwd(cwd: string | undefined): Promise<void> {
  if (cwd === undefined) return;
  const info = await stat(cwd).catch(() => undefined);
  if (info?.isDirectory() === true) return;
  throw new NotFoundError({ what: `The working folder ${JSON.stringify(cwd)} does not exist or is no folder.`, context: { cwd } });
}

function start(argv: readonly [string, ...string[]], options: CommandOptions): { child: ChildProcess } | CommandResult {
  const [command, ...args] = argv;
  if (command === "" || [...argv, options.cwd ?? ""].some((text) => text.includes("\0"))) {
    throw new ValidationError({
      what: "A command needs a name, and neither it nor its arguments may hold a zero byte.",
      fix: ['Pass argv such as ["python3", "train.py"].'],
    });
  }
  try {
    return { child: spawn(command, args, { cwd: options.cwd, env: options.env, detached: true, stdio: ["pipe", "pipe", "pipe"] }) };
  } catch (error) {
    return couldNotStart(command, error);
  }
}

function couldNotStart(command: string, error: unknown): CommandResult {
  const missing = errnoOf(error) === "ENOENT";
  const why = missing ? "command not found" : error instanceof Error ? error.message : String(error);
  return { exitCode: missing ? 127 : 126, stdout: "", stderr: `${command}: ${why}\n` };
}

const SIGNAL_NUMBERS: Partial<Record<NodeJS.Signals, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGTERM: 15,
};

function result(
  exit: { code: number | null; signal: NodeJS.Signals | null } | undefined,
  stdout: OutputBuffer,
  stderr: OutputBuffer,
): CommandResult {
  const signal = exit?.signal ?? undefined;
  const exitCode = exit?.code ?? 128 + (signal === undefined ? 0 : (SIGNAL_NUMBERS[signal] ?? 0));
  return { exitCode, signal, stdout: stdout.text(), stderr: stderr.text() };
}

function timeout(argv: readonly string[], ms: number): TimeoutError {
  return new TimeoutError({
    what: `${JSON.stringify(argv[0])} did not end within ${ms} ms and was killed.`,
    fix: ["Allow it more time with timeoutMs, or find out what it waits for."],
    context: { command: argv[0], timeoutMs: ms },
  });
}

// The group first, then whoever left it, until two listings show nobody. A process that waits for a hung disk is left to its fate.
async function killTree(clock: Clock, child: ChildProcess, mark: string | undefined): Promise<void> {
  const kill = (pid: number): void => {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // Gone already.
    }
  };
  if (child.pid !== undefined) kill(-child.pid);
  if (mark === undefined) return;
  const until = clock.monotonic() + 5_000;
  for (let quiet = 0; quiet < 2 && clock.monotonic() < until; ) {
    const left = await processesWithMarks([mark]).catch(() => []);
    for (const { pid } of left) kill(pid);
    quiet = left.length === 0 ? quiet + 1 : 0;
  }
}
