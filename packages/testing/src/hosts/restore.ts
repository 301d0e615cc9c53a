import { sha256Hex } from "@runctl/core/provider";
import { type AttemptFile, fileListDigest, isPlainKey } from "@runctl/core/seams";
import { checkpointName, stepInside } from "./checkpoint-file.ts";
import { type HostStore, MissingObject, StoreFailure } from "./host-store.ts";
import { Late, Latest, type LatestVersion } from "./latest.ts";

/** The agent's setup cannot go on. */
export class SetupFailure extends Error {
  readonly what: string;
  readonly why: string;
  readonly fix: string[];

  constructor(what: string, why: string, fix: string[]) {
    super(what);
    this.what = what;
    this.why = why;
    this.fix = fix;
  }
}

/** What restoring needs from the machine it happens on. */
export interface RestoreHost {
  store: HostStore;
  iso(): string;
  rejected(manifest: string, reason: string): void;
  /** A pause between two tries; throws when the attempt was told to end. */
  pause(ms: number): Promise<void>;
}

/** Where the training goes on. */
export interface Restored {
  manifest: string;
  step: number;
}

interface Manifest {
  v: number;
  run: string;
  attempt: number;
  seq: number;
  path: string;
  step: number | null;
  sha256: string;
  files: Array<{ path: string; size: number; sha256: string }>;
}

class Rejected extends Error {}

const TRIES = 4;

/** The agent's ckpt/resume.py: claims LATEST and brings the newest good checkpoint back, falling back one by one. */
export async function restore(file: AttemptFile, host: RestoreHost): Promise<Restored | undefined> {
  const { checkpoints } = file;
  if (checkpoints === null) return undefined;
  const { prefix } = checkpoints;
  const { mode, manifests: given } = checkpoints.resume;
  const latest = new Latest(host.store, prefix, file.attempt, file.nonce);
  try {
    let keys = mode === "never" ? [] : given;
    if (mode === "auto") {
      const own = await retry(host, () => ownManifests(host.store, prefix));
      keys = order(own, given, prefix, (await retry(host, () => latest.read())).record);
    }
    for (const key of keys) {
      try {
        const manifest = await readManifest(file, host, key, key.startsWith(prefix));
        const base = { attempt: manifest.attempt, seq: manifest.seq, manifest: key };
        await retry(host, () => latest.claim(base, host.iso()));
        return await fetchFiles(host, key, manifest);
      } catch (error) {
        if (!(error instanceof Rejected)) throw error;
        host.rejected(key, error.message);
        if (mode === "fixed") {
          throw new SetupFailure("The checkpoint that was asked for cannot be resumed from", `${key}: ${error.message}`, [
            "Name another checkpoint in checkpoints.resume",
            'Use checkpoints.resume: "auto" for the newest good one',
          ]);
        }
      }
    }
    await retry(host, () => latest.claim(null, host.iso()));
    return undefined;
  } catch (error) {
    if (error instanceof Late) {
      throw new SetupFailure(
        `Attempt ${error.claimedBy} of this run has taken over`,
        "An older attempt must not train or publish any more",
        ["Nothing to do: the newer attempt goes on"],
      );
    }
    if (error instanceof StoreFailure) {
      throw new SetupFailure(
        "The run's checkpoints could not be read",
        `${error.message}. Starting from the beginning instead would throw work away`,
        ["Check that this machine reaches the store", 'Use checkpoints.resume: "never" to start over on purpose'],
      );
    }
    throw error;
  }
}

async function retry<T>(host: RestoreHost, call: () => Promise<T>): Promise<T> {
  for (let tried = 1, pause = 500; ; tried++, pause *= 2) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof StoreFailure) || tried === TRIES) throw error;
    }
    await host.pause(pause);
  }
}

async function ownManifests(store: HostStore, prefix: string): Promise<string[]> {
  const keys = (await store.list(prefix)).map((object) => object.key).filter((key) => placeOf(key, prefix) !== undefined);
  return newestFirst(keys, prefix);
}

type Place = [attempt: number, seq: number];

function placeOf(key: string, prefix: string): Place | undefined {
  if (!key.startsWith(prefix)) return undefined;
  const found = /^([0-9]+)\/([0-9]+)\/manifest\.json$/.exec(key.slice(prefix.length));
  return found === null ? undefined : [Number(found[1]), Number(found[2])];
}

function isAfter(a: Place, b: Place): boolean {
  return a[0] > b[0] || (a[0] === b[0] && a[1] > b[1]);
}

function newestFirst(keys: readonly string[], prefix: string): string[] {
  const place = (key: string): Place => placeOf(key, prefix) ?? [0, 0];
  return [...keys].sort((a, b) => place(b)[0] - place(a)[0] || place(b)[1] - place(a)[1]);
}

/** Newest first; what an attempt published after a newer one had taken over comes last; other runs' only when they were given. */
function order(own: readonly string[], given: readonly string[], prefix: string, record: LatestVersion | undefined): string[] {
  const foreign = given.filter((key) => placeOf(key, prefix) === undefined);
  const known = newestFirst([...own, ...given.filter((key) => !own.includes(key) && !foreign.includes(key))], prefix);
  const base: Place = record?.base ? [record.base.attempt, record.base.seq] : [0, 0];
  const isLate = (key: string): boolean => {
    const place = placeOf(key, prefix);
    return place !== undefined && place[0] < (record?.claimedBy ?? 0) && isAfter(place, base);
  };
  return [...known.filter((key) => !isLate(key)), ...known.filter(isLate), ...foreign];
}

async function readManifest(file: AttemptFile, host: RestoreHost, key: string, own: boolean): Promise<Manifest> {
  let value: Partial<Manifest> | null;
  try {
    value = JSON.parse(new TextDecoder().decode(await retry(host, () => host.store.get(key)))) as Partial<Manifest> | null;
  } catch (error) {
    if (error instanceof MissingObject) throw new Rejected("its manifest is missing");
    if (error instanceof SyntaxError) throw new Rejected("its manifest is not JSON");
    throw error;
  }
  if (typeof value !== "object" || value === null || value.v !== 1) throw new Rejected("its manifest is of an unknown version");
  if (own && value.run !== file.runId) throw new Rejected(`it belongs to run ${value.run}`);
  if (!Array.isArray(value.files) || value.files.length === 0 || typeof value.attempt !== "number" || typeof value.seq !== "number") {
    throw new Rejected("its manifest is damaged");
  }
  for (const item of value.files) {
    if (typeof item?.path !== "string" || !isPlainKey(item.path)) {
      throw new Rejected(`its manifest names a file that is not plain: ${JSON.stringify(item)}`);
    }
  }
  if (value.sha256 !== fileListDigest(value.files)) throw new Rejected("its manifest does not match its own digest");
  return value as Manifest;
}

async function fetchFiles(host: RestoreHost, key: string, manifest: Manifest): Promise<Restored> {
  const folder = key.slice(0, -"manifest.json".length);
  let step = manifest.step ?? 0;
  for (const item of manifest.files) {
    let bytes: Uint8Array;
    try {
      bytes = await retry(host, () => host.store.get(`${folder}files/${item.path}`));
    } catch (error) {
      if (error instanceof MissingObject) throw new Rejected(`${item.path} is missing in the store`);
      throw error;
    }
    if (bytes.byteLength !== item.size) throw new Rejected(`${item.path} has ${bytes.byteLength} bytes instead of ${item.size}`);
    if (sha256Hex(bytes) !== item.sha256) throw new Rejected(`${item.path} is not what was published: its SHA-256 differs`);
    if (item.path !== checkpointName(step)) continue;
    const inside = stepInside(bytes);
    if (inside === undefined) throw new Rejected("it arrived as published and is torn: it is not JSON");
    // The job goes on from what it reads, not from what the manifest says.
    step = inside;
  }
  return { manifest: key, step };
}
