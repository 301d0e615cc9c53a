import type { Notice } from "../provider/plan.ts";

const SHOWN = 5;

function listed(paths: readonly string[]): string {
  const shown = paths
    .slice(0, SHOWN)
    .map((path) => JSON.stringify(path))
    .join(", ");
  return paths.length > SHOWN ? `${shown} and ${paths.length - SHOWN} more` : shown;
}

/** Collects what a walk leaves out or doubts, one notice a kind however many files. */
export interface CodeRemarks {
  secretsLeftOut: string[];
  secretsIncluded: string[];
  specialFiles: string[];
  linksOutside: string[];
  linksDangling: string[];
}

export function noRemarks(): CodeRemarks {
  return { secretsLeftOut: [], secretsIncluded: [], specialFiles: [], linksOutside: [], linksDangling: [] };
}

/** Above this a tree is worth a remark: 1 GiB, or 100,000 files. */
const LARGE_BYTES = 1024 ** 3;
const LARGE_FILES = 100_000;

function largest(files: ReadonlyArray<{ path: string; size: number }>): string {
  const sizes = new Map<string, number>();
  for (const file of files) {
    const top = file.path.split("/", 1)[0] ?? "";
    sizes.set(top, (sizes.get(top) ?? 0) + file.size);
  }
  return [...sizes]
    .sort((a, b) => b[1] - a[1])
    .slice(0, 3)
    .map(([name, bytes]) => `${JSON.stringify(name)} (${(bytes / 1024 ** 2).toFixed(0)} MiB)`)
    .join(", ");
}

/** The remarks as notices; `files` decides whether the tree is large. */
export function codeNotices(remarks: CodeRemarks, files: ReadonlyArray<{ path: string; size: number }>): Notice[] {
  const notices: Notice[] = [];
  const add = (paths: readonly string[], id: string, what: string, why: string, fix: string): void => {
    if (paths.length > 0) notices.push({ id, what: `${what}: ${listed(paths)}.`, why, fix: [fix] });
  };
  add(
    remarks.secretsIncluded,
    "code-secret-included",
    "Files that look like secrets are part of the code snapshot",
    "`include` names them. Their content is stored unencrypted in the run's store and on the training machine.",
    "Pass secrets by `secrets` instead, and remove the names from `include`.",
  );
  add(
    remarks.secretsLeftOut,
    "code-secrets-left-out",
    "Files that look like secrets are left out of the code snapshot",
    "Keys and passwords do not belong into a store.",
    "Pass what the script needs by `secrets`; or, if it is no secret, name the exact path in `include`.",
  );
  add(
    remarks.specialFiles,
    "code-special-files-skipped",
    "Sockets, pipes and devices are left out of the code snapshot",
    "They have no content that could be brought to another machine.",
    "Nothing, unless the script expects them.",
  );
  add(
    remarks.linksOutside,
    "code-links-outside",
    "Symbolic links that lead out of the project root are left out",
    "Their targets are not part of the project, so they would be broken on the training machine.",
    "Bring the data by `inputs`, or copy it into the project.",
  );
  add(
    remarks.linksDangling,
    "code-links-dangling",
    "Symbolic links point to something that is not in the snapshot",
    "They will be broken on the training machine: the target is missing or excluded.",
    "Add the target to `include`, bring it by `inputs`, or remove the link.",
  );
  let bytes = 0;
  for (const file of files) bytes += file.size;
  if (bytes > LARGE_BYTES || files.length > LARGE_FILES) {
    notices.push({
      id: "code-tree-large",
      what: `The code snapshot is large: ${files.length} files, ${(bytes / 1024 ** 3).toFixed(2)} GiB. Largest: ${largest(files)}.`,
      why: "Every training machine receives it before it can start.",
      fix: ["Exclude data and results by .runctlignore or `exclude`, and bring data by `inputs`."],
    });
  }
  return notices;
}
