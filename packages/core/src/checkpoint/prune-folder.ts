import type { CheckpointInfo } from "./checkpoints.ts";
import type { CheckpointPlace } from "./place.ts";
import type { PruneReport } from "./prune-published.ts";
import { type KeepRules, planRetention } from "./retention.ts";

/** Deletes what no rule keeps from a folder or prefix, given its checkpoints newest first. Files that belong to no checkpoint are not touched. */
export async function pruneFolder(
  place: CheckpointPlace,
  infos: CheckpointInfo[],
  rules: KeepRules,
  options: { dryRun?: boolean | undefined; inUse?: readonly string[] | undefined; signal?: AbortSignal | undefined },
): Promise<PruneReport> {
  const named = new Set(options.inUse ?? []);
  const inUse = new Set(
    infos.filter((info) => named.has(info.path) || named.has(info.location) || named.has(plain(info.location))).map((i) => i.path),
  );
  const plan = planRetention(
    infos.map((info) => ({
      id: info.path,
      at: Date.parse(info.savedAt),
      verified: info.status === "complete",
      good: info.status === "complete" || info.status === "unknown",
      metrics: info.metrics,
    })),
    rules,
    inUse,
  );
  const remove = new Set(plan.remove);
  const going = infos.filter((info) => remove.has(info.path));
  const dryRun = options.dryRun ?? false;
  if (!dryRun) {
    for (const info of going) {
      options.signal?.throwIfAborted();
      // Markers first: half a removal must not look like a checkpoint.
      for (const file of [...info.files].sort((a, b) => rank(a.path) - rank(b.path))) await place.remove(file.path);
      if (info.kind === "dir") await place.removeEmpty(info.path);
    }
  }
  const brief = (info: CheckpointInfo): { path: string; location: string; sizeBytes: number } => ({
    path: info.path,
    location: info.location,
    sizeBytes: info.sizeBytes,
  });
  return {
    dryRun,
    removed: going.map(brief),
    kept: infos.flatMap((info) => {
      const why = plan.keep.get(info.path);
      return why === undefined ? [] : [{ path: info.path, location: info.location, why }];
    }),
    freedBytes: going.reduce((sum, info) => sum + info.sizeBytes, 0),
  };
}

const MARKER =
  /(?:^|\/)(?:trainer_state\.json|\.metadata|_CHECKPOINT_METADATA|commit_success\.txt|random_states_0\.pkl|[^/]*\.index(?:\.json)?)$/;

function rank(path: string): number {
  return MARKER.test(path) ? 0 : 1;
}

function plain(location: string): string {
  return location.startsWith("file://") ? decodeURIComponent(location.slice(7)).replace(/\/$/, "") : location;
}
