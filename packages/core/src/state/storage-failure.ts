import { StorageError } from "../errors/kinds.ts";
import { RunctlError } from "../errors/runctl-error.ts";

const CURES: Record<string, [why: string, fix: string]> = {
  ENOSPC: ["The disk is full.", "Free some space on the disk that holds the state folder; nothing written before is lost."],
  EDQUOT: ["The disk quota is used up.", "Free some space or raise the quota; nothing written before is lost."],
  EROFS: ["The file system is read-only.", "Mount it writable, or give another folder: fileState(dir)."],
  EACCES: [
    "This user may not do that there.",
    "Give this user write permission on the state folder, or give another folder: fileState(dir).",
  ],
  EPERM: [
    "This user may not do that there.",
    "Give this user write permission on the state folder, or give another folder: fileState(dir).",
  ],
  ENOTDIR: ["A part of the path is a file, not a folder.", "Move that file away, or give another folder: fileState(dir)."],
  EMFILE: ["This process has too many open files.", "Raise the limit (ulimit -n), or run less at once."],
  ENFILE: ["The machine has too many open files.", "Raise the machine's limit, or run less at once."],
  EIO: ["The disk reported an error.", "Check the disk and the system log; restore the folder from a backup if files are damaged."],
};

/** The system's code of an error, such as "ENOENT"; undefined for anything else. */
export function errnoCode(error: unknown): string | undefined {
  const code = typeof error === "object" && error !== null ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** A file system failure as StorageError with its cure. Runctl's own errors pass as they are. */
export function storageFailure(cause: unknown, what: string, path: string): RunctlError {
  if (RunctlError.is(cause)) return cause;
  const code = errnoCode(cause);
  const [why, fix] = CURES[code ?? ""] ?? [
    code === undefined ? "The file system call failed." : `The file system answered ${code}.`,
    "Check the folder and try again.",
  ];
  return new StorageError({ what: `${what}: ${path}`, why, fix: [fix], cause, context: { path, errno: code } });
}

/** `link` is what makes appends exclusive; without it the store would be unsafe. */
export function linkUnsupported(cause: unknown, path: string): StorageError {
  return new StorageError({
    what: `The file system of ${path} has no hard links (${errnoCode(cause) ?? "link failed"}).`,
    why: "The state store makes each append exclusive with a hard link; without it two processes could both win, so nothing is written.",
    fix: ['Put the state folder on a local disk or NFS (ext4, xfs, btrfs, apfs), for example fileState("/var/lib/runctl").'],
    cause,
    context: { path, errno: errnoCode(cause) },
  });
}

/** A stream that cannot be read. It is kept as it is; nothing is truncated. */
export function corruptStream(stream: string, path: string, reason: string): StorageError {
  return new StorageError({
    what: `The stream ${stream} is damaged: ${reason}.`,
    why: "It is left exactly as it is and nothing is appended to it; other streams are not touched.",
    fix: [`Restore ${path} from a backup, or move it away to give the stream up.`],
    context: { stream, path, corrupt: reason },
  });
}

/** Written by a newer runctl. */
export function newerFormat(path: string, version: unknown): StorageError {
  return new StorageError({
    what: `${path} has format ${JSON.stringify(version)}; this runctl knows format 1.`,
    why: "It was written by a newer runctl. Reading it as format 1 could misread it, so it is refused and left as it is.",
    fix: ["Upgrade @runctl/core in this project."],
    context: { path, newerFormat: true },
  });
}
