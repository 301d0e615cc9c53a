import { formatRef, TAGS } from "@runctl/core/provider";
import { asLogged, type LoggedEvent, type PublishedManifest, type ResourceRecord, replayLog, runStream } from "@runctl/core/seams";
import type { EmulatedCloud } from "../cloud/emulated-cloud.ts";
import type { HostRecords } from "../hosts/trainings.ts";
import type { WorldState } from "../world/world-state.ts";
import type { WorldStore } from "../world/world-store.ts";
import type { AuditFacts, CheckpointFacts, MachineFacts, RunFacts, TouchFacts, VolumeFacts } from "./facts.ts";

/** Where the records of a world are. */
export interface AuditedWorld {
  readonly clouds: readonly EmulatedCloud[];
  readonly store: WorldStore;
  readonly hosts: HostRecords;
  now(): number;
}

/** Whose promises are audited, and by what they are known. */
export interface AuditedState {
  readonly state: WorldState;
  /** Names of the clients of this state's processes. */
  readonly clients: ReadonlySet<string>;
  /** The ledger as this state's users read it. */
  readonly ledger: readonly ResourceRecord[];
  /** Since when there is one. */
  readonly ledgerSince?: number | undefined;
  /** From before this state did anything: `fingerprints(world)`. */
  readonly foreignBefore: ReadonlyMap<string, string>;
}

/** Gathers what an audit of one state needs, from the far side's own records. */
export function collectFacts(world: AuditedWorld, audited: AuditedState): AuditFacts {
  const runs = runsOf(audited.state);
  const ids = new Set(runs.map(({ state }) => state.runId));
  const stateId = audited.state.id;
  return {
    now: world.now(),
    stateId,
    runs,
    machines: world.clouds.flatMap(machinesOf),
    volumes: world.clouds.flatMap(volumesOf),
    trainings: world.hosts.trainings
      .filter((training) => ids.has(training.runId))
      .map(({ runId, attempt, machineId, from, to, stepsFrom }) => ({
        runId,
        attempt,
        machineId,
        from,
        fromStep: stepsFrom,
        ...(to === undefined ? {} : { to }),
      })),
    checkpoints: checkpointsOf(world.store, runs),
    ledger: audited.ledger,
    ledgerSince: audited.ledgerSince,
    touches: world.clouds.flatMap((cloud) => touchesOf(cloud, audited.clients)),
    foreignBefore: audited.foreignBefore,
  };
}

/** What everything in a world's clouds looks like now, by id: to see later what was touched. */
export function fingerprints(world: Pick<AuditedWorld, "clouds">, stateId: string): Map<string, string> {
  const things = world.clouds.flatMap((cloud) => [...machinesOf(cloud), ...volumesOf(cloud)]);
  return new Map(things.filter((thing) => thing.stateId !== stateId).map((thing) => [thing.id, thing.fingerprint]));
}

function machinesOf(cloud: EmulatedCloud): MachineFacts[] {
  const bills = new Map(cloud.invoice().lines.map((line) => [line.id, line.total]));
  return [...cloud.machines()].map((truth) => {
    // What the create call asked for: tags may come later, or never.
    const intent = cloud.fleet.index.byId.get(truth.id)?.intent;
    const tags = { ...intent?.tags, ...truth.tags };
    return {
      id: formatRef({ provider: cloud.name, region: truth.region, kind: "machine", id: truth.id }),
      intentId: intent?.id ?? tags[TAGS.intent],
      stateId: tags[TAGS.state],
      runId: tags[TAGS.run],
      isFindable: truth.tags[TAGS.state] !== undefined,
      createdAt: truth.createdAt,
      ...(truth.endedAt === undefined ? {} : { endedAt: truth.endedAt }),
      endedBy: truth.reason,
      billedUsd: bills.get(truth.id) ?? 0,
      fingerprint: JSON.stringify([truth.state, Object.entries(truth.tags).sort(), truth.name]),
    };
  });
}

function volumesOf(cloud: EmulatedCloud): VolumeFacts[] {
  const bills = new Map(cloud.invoice().lines.map((line) => [line.id, line.total]));
  return [...cloud.volumes()].map((truth) => ({
    id: formatRef({ provider: cloud.name, region: truth.region, kind: truth.kind, id: truth.id }),
    intentId: truth.intentId,
    stateId: truth.tags[TAGS.state],
    createdAt: truth.createdAt,
    ...(truth.deletedAt === undefined ? {} : { deletedAt: truth.deletedAt }),
    billedUsd: bills.get(truth.id) ?? 0,
    fingerprint: JSON.stringify([truth.deletedAt, truth.attachedTo, Object.entries(truth.tags).sort(), truth.name]),
  }));
}

function touchesOf(cloud: EmulatedCloud, clients: ReadonlySet<string>): TouchFacts[] {
  const changes = ["terminate", "stop", "start", "remove", "tag", "volume-attach", "volume-detach", "volume-delete"];
  const regions = new Map([...cloud.machines()].map((truth) => [truth.id, truth.region]));
  return cloud.events
    .filter((event) => event.kind === "call" && clients.has(event.client ?? "") && changes.includes(event.op ?? ""))
    .map(({ at, op = "", id = "" }) => ({
      at,
      op,
      target: formatRef({ provider: cloud.name, region: regions.get(id), kind: "machine", id }),
    }));
}

function runsOf(state: WorldState): RunFacts[] {
  return state.streams
    .filter((stream) => stream.startsWith("run/"))
    .flatMap((stream) => {
      const events = state.texts(stream).events.map((text): LoggedEvent => asLogged(JSON.parse(text)));
      const run = replayLog(events);
      if (run === undefined || runStream(run.runId) !== stream) return [];
      const pruned = events.flatMap(({ event }) => (event.type === "checkpoints-pruned" ? event.manifestKeys : []));
      return [{ state: run, pruned }];
    });
}

/** Every checkpoint that the store holds or a log ever told of, and whether all of it is there now. */
function checkpointsOf(store: WorldStore, runs: readonly RunFacts[]): CheckpointFacts[] {
  const found = new Map<string, CheckpointFacts>();
  for (const { state } of runs) {
    for (const { manifestKey, ref } of state.checkpoints) {
      found.set(manifestKey, {
        runId: state.runId,
        manifestKey,
        attempt: ref.attempt,
        seq: ref.seq,
        step: ref.step ?? 0,
        publishedAt: Date.parse(ref.publishedAt),
        isWhole: isWhole(store, `${state.storeUri}${manifestKey}`),
      });
    }
    const prefix = `${state.storeUri}runs/${state.runId}/ckpt/`;
    for (const uri of store.uris) {
      if (!uri.startsWith(prefix) || !uri.endsWith("/manifest.json")) continue;
      const manifest = manifestAt(store, uri);
      // Half a manifest was never a good checkpoint.
      if (manifest === undefined || !isWhole(store, uri)) continue;
      found.set(uri.slice(state.storeUri.length), {
        runId: state.runId,
        manifestKey: uri.slice(state.storeUri.length),
        attempt: manifest.attempt,
        seq: manifest.seq,
        step: manifest.step ?? 0,
        publishedAt: Date.parse(manifest.createdAt),
        isWhole: true,
      });
    }
  }
  return [...found.values()];
}

function isWhole(store: WorldStore, manifestUri: string): boolean {
  const manifest = manifestAt(store, manifestUri);
  const base = manifestUri.slice(0, -"manifest.json".length);
  return manifest?.files.every((file) => store.peek(`${base}files/${file.path}`)?.byteLength === file.size) ?? false;
}

function manifestAt(store: Pick<WorldStore, "peek">, uri: string): PublishedManifest | undefined {
  const bytes = store.peek(uri);
  if (bytes === undefined) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as PublishedManifest;
  } catch {
    return undefined;
  }
}
