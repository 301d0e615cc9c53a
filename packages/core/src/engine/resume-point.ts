import { stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { CheckpointRef } from "../checkpoint/checkpoint-ref.ts";
import { manifestToRef } from "../checkpoint/published.ts";
import { type PublishedManifest, publishedManifestSchema } from "../checkpoint/published-manifest.ts";
import { walkCheckpoint } from "../checkpoint/walk-checkpoint.ts";
import { CheckpointInvalidError } from "../errors/kinds.ts";
import { errorKind } from "../errors/runctl-error.ts";
import { fileUriToPath, pathToFileUri } from "../storage/file-uri.ts";
import { joinKey, schemeOf } from "../storage/location.ts";
import { isoNow } from "../util/clock.ts";
import { sha256Hex } from "../util/hash.ts";
import { hashFile } from "../util/hash-file.ts";
import { canonicalJson } from "../util/json.ts";
import type { EngineContext } from "./context.ts";
import { runKey } from "./store-keys.ts";

/** A checkpoint of another run, or from outside, that a run begins with. `manifestKey` is relative to the run's store. */
export interface ResumePoint {
  runId: string;
  manifestKey: string;
  checkpoint: CheckpointRef;
  /** Newer ones that were passed over. */
  rejected?: Array<{ path: string; reason: string }> | undefined;
}

interface ImportRequest {
  location: string;
  root: string;
  storeUri: string;
  runId: string;
  /** Checkpoint dir of the run, so that "checkpoints/last.pt" comes back as "last.pt" in it. */
  dir: string;
  signal?: AbortSignal | undefined;
}

/**
 * Makes the checkpoint at a location part of a new run's store, as attempt 0, so that every later attempt and every host finds it
 * there. A published checkpoint of the same store is used where it is.
 * @throws CheckpointInvalidError when there is nothing usable.
 */
export async function importCheckpoint(context: EngineContext, request: ImportRequest): Promise<ResumePoint> {
  const uri = schemeOf(request.location) === undefined ? pathToFileUri(resolve(request.root, request.location)) : request.location;
  const published = await publishedAt(context, request, uri);
  if (published !== undefined) return published;
  if (schemeOf(uri) !== "file")
    throw unusable(request.location, "Only published checkpoints (a folder with manifest.json) and local files can be resumed from.");
  return importLocal(context, request, fileUriToPath(uri));
}

async function publishedAt(context: EngineContext, request: ImportRequest, uri: string): Promise<ResumePoint | undefined> {
  const folder = uri.replace(/\/?$/, "/").replace(/files\/$/, "");
  let manifest: PublishedManifest;
  try {
    const text = new TextDecoder().decode(await context.store(uri).get(`${folder}manifest.json`, { signal: request.signal }));
    const parsed = publishedManifestSchema.safeParse(JSON.parse(text));
    if (!parsed.success) return undefined;
    manifest = parsed.data;
  } catch (error) {
    if (errorKind(error) === "not-found" || error instanceof SyntaxError) return undefined;
    throw error;
  }
  const manifestUri = `${folder}manifest.json`;
  if (!manifestUri.startsWith(request.storeUri)) throw unusable(request.location, "It is in another store than this run's.");
  return {
    runId: manifest.run,
    manifestKey: decodeURIComponent(manifestUri.slice(request.storeUri.length)),
    checkpoint: manifestToRef(manifestUri, manifest),
  };
}

async function importLocal(context: EngineContext, request: ImportRequest, path: string): Promise<ResumePoint> {
  const info = await stat(path).catch(() => undefined);
  if (info === undefined) throw unusable(request.location, `There is nothing at ${path}.`);
  const name = basename(path);
  const files = info.isDirectory() ? (await walkCheckpoint(path)).map((file) => `${name}/${file}`) : [name];
  if (files.length === 0) throw unusable(request.location, "The folder is empty.");
  const store = context.store(request.storeUri);
  const key = `${runKey(request.runId)}ckpt/0/000001/`;
  const entries: PublishedManifest["files"] = [];
  for (const file of files) {
    const source = info.isDirectory() ? join(path, file.slice(name.length + 1)) : path;
    const { sha256, sizeBytes } = await hashFile(source, { signal: request.signal });
    await store.put(joinKey(request.storeUri, `${key}files/${file}`), { file: source }, { signal: request.signal });
    entries.push({ path: file, size: sizeBytes, sha256 });
  }
  const manifest: PublishedManifest = {
    v: 1,
    run: request.runId,
    attempt: 0,
    seq: 1,
    path: name,
    kind: info.isDirectory() ? "dir" : "file",
    step: null,
    format: "unknown",
    grade: "sealed",
    files: entries,
    sizeBytes: entries.reduce((sum, entry) => sum + entry.size, 0),
    sha256: sha256Hex(canonicalJson(entries)),
    nonce: "imported",
    createdAt: isoNow(context.clock),
  };
  const manifestUri = `${request.storeUri}${key}manifest.json`;
  await store.put(manifestUri, JSON.stringify(manifest), { signal: request.signal });
  return { runId: request.runId, manifestKey: `${key}manifest.json`, checkpoint: manifestToRef(manifestUri, manifest) };
}

function unusable(location: string, why: string): CheckpointInvalidError {
  return new CheckpointInvalidError({
    what: `checkpoints.resume: ${JSON.stringify(location)} cannot be resumed from.`,
    why,
    fix: [
      "Give a checkpoint file or folder on this machine, or a published checkpoint's location (RunResult.checkpoints[].location).",
      'Use "auto" to go on from this run\'s own newest checkpoint.',
    ],
    context: { location },
  });
}
