import { NotFoundError, PermissionError, StorageError } from "../errors/kinds.ts";
import { RunctlError } from "../errors/runctl-error.ts";

/** The errno name of a system error, "" for anything else. */
export function errnoOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}

const CURES: Record<string, { why: string; fix: string }> = {
  ENOSPC: { why: "The disk is full.", fix: "Free some space, or put the store on a larger disk." },
  EDQUOT: { why: "The disk quota is used up.", fix: "Free some space, or ask for a larger quota." },
  EROFS: { why: "The file system is read-only.", fix: "Choose a folder on a file system that can be written." },
  EMFILE: { why: "This process has too many open files.", fix: "Raise the limit, for example `ulimit -n 4096`." },
  ENAMETOOLONG: { why: "A name is longer than the file system allows (255 bytes on most).", fix: "Use a shorter name." },
  ENOTDIR: { why: "A part of the path is a file and not a folder.", fix: "Choose another name, or move that file away." },
  EISDIR: { why: "There is a folder of that name.", fix: "Choose another name, or move that folder away." },
  EIO: { why: "The disk reported an error.", fix: "Check the disk, for example with dmesg." },
};

/**
 * A system error of a file operation as a typed error that names the path and the cure. Everything else passes through as it is:
 * typed errors, and the reason of an abort.
 */
export function fileError(error: unknown, doing: string, path: string): unknown {
  if (RunctlError.is(error) || typeof (error as { syscall?: unknown } | null)?.syscall !== "string") return error;
  const code = errnoOf(error);
  const what = `${doing} ${JSON.stringify(path)} failed${code === "" ? "" : ` (${code})`}.`;
  const context = { path, errno: code };
  if (code === "ENOENT") return new NotFoundError({ what: `There is no ${JSON.stringify(path)}.`, context, cause: error });
  if (code === "EACCES" || code === "EPERM") {
    return new PermissionError({
      what,
      why: "The operating system refuses it to this user.",
      fix: [`Give this user the right to it, for example with chmod or chown on ${JSON.stringify(path)}.`],
      context,
      cause: error,
    });
  }
  const cure = CURES[code];
  return new StorageError({
    what,
    why: cure?.why ?? (error instanceof Error ? error.message : String(error)),
    fix: cure === undefined ? [] : [cure.fix],
    context,
    cause: error,
  });
}
