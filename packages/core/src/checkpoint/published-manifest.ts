import { z } from "zod";

/**
 * `<run store>/ckpt/<attempt>/<seq>/manifest.json`, written by the host agent, create-only, after all data.
 * Data files are `<run store>/ckpt/<attempt>/<seq>/files/<path>`; `path` is relative to the checkpoint dir.
 */
export const publishedManifestSchema = z.lazy(() =>
  z.object({
    v: z.literal(1),
    run: z.string(),
    attempt: z.number().int(),
    seq: z.number().int(),
    /** The checkpoint's own name: a file or folder directly or deeper under the checkpoint dir. */
    path: z.string(),
    kind: z.enum(["file", "dir"]),
    step: z.number().nullable(),
    format: z.string(),
    grade: z.enum(["sealed", "verified"]),
    files: z.array(z.object({ path: z.string(), size: z.number().int().nonnegative(), sha256: z.string().length(64) })),
    sizeBytes: z.number().int().nonnegative(),
    sha256: z.string().length(64),
    nonce: z.string(),
    createdAt: z.string(),
    worldSize: z.number().int().nullable().optional(),
    /** The newest metrics the job had printed when it was saved, for keep.best. */
    metrics: z.record(z.string(), z.number()).optional(),
  }),
);

export type PublishedManifest = z.infer<typeof publishedManifestSchema>;
