import { snapshotCode } from "../code/snapshot-code.ts";
import { encodeCursor } from "../events/cursor.ts";
import type { ResolvedSpec } from "../spec/resolved-spec.ts";
import { isoNow } from "../util/clock.ts";
import type { EngineContext } from "./context.ts";
import { runStream } from "./run-log.ts";

/** Progress is told this often at most. */
const TELL_MS = 200;

export interface StagingRequest {
  runId: string;
  storeUri: string;
  cacheDir?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** Brings the run's code into its store, durable when it resolves; tells listeners of this process how far it is. */
export async function stageCode(
  context: EngineContext,
  spec: ResolvedSpec,
  request: StagingRequest,
): Promise<{ manifestKey: string; sha256: string; files: number; bytes: number }> {
  const { clock, bus, logger } = context;
  const { runId, storeUri, cacheDir, signal } = request;
  let told = Number.NEGATIVE_INFINITY;
  const result = await snapshotCode({
    root: spec.root,
    include: spec.include,
    exclude: spec.exclude,
    excludeDirs: spec.checkpoints === false ? [] : [spec.checkpoints.dir],
    store: context.store(storeUri),
    prefix: storeUri,
    clock,
    cacheDir,
    signal,
    onProgress: (progress) => {
      const now = clock.monotonic();
      if (progress.bytes < progress.totalBytes && now - told < TELL_MS) return;
      told = now;
      bus.emit({
        v: 1,
        type: "operation-progress",
        cursor: encodeCursor({ stream: runStream(runId), seq: 0, index: 0 }),
        at: isoNow(clock),
        runId,
        operation: "staging",
        done: progress.bytes,
        total: progress.totalBytes,
        unit: "bytes",
      });
    },
  });
  for (const notice of result.notices) logger.warn?.(notice.what, { id: notice.id });
  return { manifestKey: result.manifestKey, sha256: result.sha256, files: result.files, bytes: result.bytes };
}
