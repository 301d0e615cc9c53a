import { StorageError } from "@runctl/core/provider";

/** The code of a file system error, "" for anything else. */
export function errnoOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}

const CURES: Record<string, string> = {
  EACCES: "Give this user the right to write there, or choose another folder with local({ home }) or RUNCTL_LOCAL_HOME.",
  EPERM: "Give this user the right to write there, or choose another folder with local({ home }) or RUNCTL_LOCAL_HOME.",
  EROFS: "The file system is mounted read-only: choose another folder with local({ home }) or RUNCTL_LOCAL_HOME.",
  ENOSPC: "The disk is full: free some space, or choose a folder on another disk with local({ home }) or RUNCTL_LOCAL_HOME.",
  EDQUOT: "Your disk quota is used up: free some space, or choose a folder on another disk with local({ home }) or RUNCTL_LOCAL_HOME.",
  ENOTDIR: "A part of the path is a file: choose another folder with local({ home }) or RUNCTL_LOCAL_HOME.",
  EMFILE: "This process has too many files open: raise `ulimit -n` or run less at once.",
};

/** Wraps a file system error as a StorageError with a cure for its code. */
export function storageError(doing: string, path: string, error: unknown): StorageError {
  const code = errnoOf(error);
  const cure = CURES[code];
  return new StorageError({
    what: `${doing} failed at ${JSON.stringify(path)}${code === "" ? "" : ` (${code})`}.`,
    why: error instanceof Error ? error.message : String(error),
    fix: cure === undefined ? [] : [cure],
    context: { path, code },
    cause: error,
  });
}
