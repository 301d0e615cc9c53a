import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { type ResourceRef, ValidationError } from "@runctl/core/provider";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;

/** The folder of `local()`: the option, `$RUNCTL_LOCAL_HOME`, or the XDG state folder. Relative options are relative to the working directory. */
export function resolveHome(option: string | undefined, env: NodeJS.ProcessEnv): string {
  if (option !== undefined) return resolve(option);
  if (env.RUNCTL_LOCAL_HOME) return resolve(env.RUNCTL_LOCAL_HOME);
  // The XDG specification asks to ignore relative values.
  const xdg = env.XDG_STATE_HOME;
  return join(xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), ".local", "state"), "runctl");
}

/** The folder of all machines. */
export function machinesDir(home: string): string {
  return join(home, "machines");
}

/** Is this a name that a machine of ours can have? Folder names with a leading dot are ours, too, but no machines. */
export function isMachineName(name: string): boolean {
  return NAME.test(name);
}

/** The folder of one machine. Names are checked, so that no id from outside leaves the home. @throws ValidationError */
export function machineDir(home: string, name: string): string {
  if (!isMachineName(name)) {
    throw new ValidationError({
      what: `${JSON.stringify(name)} (${typeof name}) is not a name of a local machine.`,
      why: "The name becomes a folder below the provider's home and must not lead out of it.",
      fix: ['Use letters, digits, dots, dashes and underscores, e.g. "runctl-digits-7f3k".'],
      context: { name },
    });
  }
  return join(machinesDir(home), name);
}

/** The folder of a ref's machine. */
export function refDir(home: string, ref: ResourceRef): string {
  return machineDir(home, ref.id);
}
