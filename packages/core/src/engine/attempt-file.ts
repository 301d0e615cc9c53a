import { basename } from "node:path/posix";
import type { AttemptFile } from "../host/attempt-file.ts";
import type { HostAccess } from "../provider/object-store.ts";
import { pathToFileUri } from "../storage/file-uri.ts";
import { schemeOf } from "../storage/location.ts";
import type { DriverPort } from "./driver-port.ts";
import { limitsOf } from "./execute-plan.ts";
import { type AttemptRecord, type MachineRecord, machineOf, type RunState } from "./run-state.ts";
import { runKey } from "./store-keys.ts";

/** Keys given to a host live this long; the controller renews them where they expire earlier than the run. */
const ACCESS_TTL_MS = 12 * 3600_000;
/** host-and-state.md §1. */
const FEED_SECONDS = 15 * 60;
const FIRST_FEED_SECONDS = 45 * 60;
const DEFAULT_STOP_GRACE_SECONDS = 30;
/** An attempt that is over waits this long for a controller: as long as a guardian waits for a feed. */
const UNATTENDED_SECONDS = FEED_SECONDS;

interface Stores {
  list: AttemptFile["stores"];
  secrets: Record<string, Record<string, string>>;
}

/** Everything the host agent needs for an attempt, and apart from it the secrets of its stores. */
export async function attemptFile(
  driver: DriverPort,
  record: AttemptRecord,
): Promise<{ file: AttemptFile; storeSecrets: Record<string, Record<string, string>> }> {
  const { state, context } = driver;
  const { spec } = state;
  const machine = machineOf(state, record);
  const limits = limitsOf(state, machine, context.clock.now());
  const stores: Stores = { list: [], secrets: {} };
  await addStore(driver, stores, state.storeUri, "write");
  const inputs: AttemptFile["inputs"] = [];
  for (const input of spec.inputs) {
    const { store, key } = await locate(driver, stores, input.from, "read");
    inputs.push({ store, key, to: input.to });
  }
  const outputs: AttemptFile["outputs"] = [];
  for (const output of spec.outputs) {
    const { store, key } = await locate(driver, stores, output.to, "write");
    const when = typeof output.when === "object" ? { everySeconds: output.when.everyMs / 1000 } : output.when;
    outputs.push({ from: output.from, store, key, when });
  }
  const provider = context.providers.get(machine.machine.ref.provider);
  const intent = machine.intentId === undefined ? undefined : state.intents[machine.intentId]?.intent;
  const hooks = intent === undefined ? undefined : provider.hostHooks?.(intent);
  const checkpoints = await checkpointPart(driver, record, stores);
  const processes = spec.resources.processesPerNode;
  const distributed = spec.resources.nodes > 1 || processes !== 1;
  const file: AttemptFile = {
    v: 1,
    runId: state.runId,
    attempt: record.number,
    nonce: record.nonce,
    machineId: machine.id,
    stateId: context.stateId,
    stores: stores.list,
    runPrefix: runKey(state.runId),
    code: state.code === null ? null : { manifest: state.code.manifestKey, sha256: state.code.sha256 },
    argv: argvOf(spec),
    env: spec.env,
    secretNames: Object.keys(spec.secrets),
    dependencies: spec.dependencies,
    script: spec.script ?? null,
    inputs,
    outputs,
    checkpoints,
    stop: { signal: checkpoints?.stopSignal ?? "SIGTERM", graceSeconds: checkpoints?.graceSeconds ?? DEFAULT_STOP_GRACE_SECONDS },
    // As of now, not as planned: the host counts from its start, and the machine has cost money since it was bought.
    allowance: { seq: 1, ...limits.allowance },
    deadlineAt: spec.deadline ?? null,
    maxDurationSeconds: limits.maxDurationSeconds,
    guard: { feedSeconds: FEED_SECONDS, firstFeedSeconds: FIRST_FEED_SECONDS },
    hooks: {
      notice: hooks?.notice ?? null,
      noticeBuiltin: hooks?.noticeBuiltin ?? null,
      stop: hooks?.stop ?? null,
      terminate: hooks?.terminate ?? null,
    },
    endPolicy: endPolicyOf(state, machine),
    exclusive: !spec.share,
    distributed: distributed ? { nodes: spec.resources.nodes, nodeRank: 0, processesPerNode: processes, rendezvous: "" } : null,
    container: containerPart(driver),
    metricFiles: driver.state.spec.metrics.flatMap((metric) => (metric.file === undefined ? [] : [metric.file])),
    traceparent: context.traceparent(state.runId) ?? null,
  };
  return { file, storeSecrets: stores.secrets };
}

/**
 * A living controller ends machines within seconds, or plans the next attempt on them. When none is there, the host carries the
 * policy out by itself: a machine that is done must not idle, paid, until its hard limit.
 */
function endPolicyOf(state: RunState, machine: MachineRecord): AttemptFile["endPolicy"] {
  const policy = state.spec.onEnd ?? "terminate";
  if (!machine.owned || policy === "keep") return { action: "none", afterSeconds: 0 };
  if (typeof policy === "object") return { action: policy.then, afterSeconds: policy.afterMs / 1000 + UNATTENDED_SECONDS };
  return { action: policy, afterSeconds: UNATTENDED_SECONDS };
}

function argvOf(spec: DriverPort["state"]["spec"]): string[] {
  if (spec.command !== undefined) return [...spec.command, ...spec.args];
  return ["python3", spec.script ?? "", ...spec.args];
}

async function checkpointPart(driver: DriverPort, record: AttemptRecord, stores: Stores): Promise<AttemptFile["checkpoints"]> {
  const { checkpoints, metrics } = driver.state.spec;
  if (checkpoints === false) return null;
  let place = { store: 0, key: `${runKey(driver.runId)}ckpt/` };
  if (checkpoints.to !== undefined) place = await locate(driver, stores, checkpoints.to, "write");
  return {
    dir: checkpoints.dir,
    store: place.store,
    prefix: place.key,
    resume: { mode: checkpoints.resume === "never" ? "never" : record.resume.length > 0 ? "fixed" : "auto", manifests: record.resume },
    resumeArgs: checkpoints.resumeArgs,
    stopSignal: checkpoints.stopSignal,
    graceSeconds: checkpoints.graceMs / 1000,
    suggestedSaveSeconds: null,
    metricPatterns: metrics.flatMap((metric) => (metric.pattern === undefined ? [] : [metric.pattern])),
    metricNames: metrics.flatMap((metric) => (metric.pattern === undefined ? [] : [metric.name ?? null])),
  };
}

function containerPart(driver: DriverPort): AttemptFile["container"] {
  const { container, volumes } = driver.state.spec;
  if (container === "none") return null;
  return {
    engine: "docker",
    image: container.image ?? null,
    dockerfile: container.dockerfile ?? null,
    buildArgs: container.buildArgs ?? {},
    gpus: container.gpus ?? "auto",
    mounts: volumes.map((volume) => ({ host: volume.mount, container: volume.mount, readOnly: volume.readOnly })),
  };
}

async function addStore(driver: DriverPort, stores: Stores, uri: string, mode: "read" | "write"): Promise<number> {
  const access: HostAccess = await driver.context.store(uri).hostAccess(uri, { mode, ttlMs: ACCESS_TTL_MS });
  const { secrets, ...open } = access;
  const index = stores.list.length;
  stores.list.push({ prefix: open.settings.prefix ?? "", access: open });
  if (Object.keys(secrets).length > 0) stores.secrets[String(index)] = secrets;
  return index;
}

/** A location as store and key: one object, or a prefix that ends in "/". */
async function locate(
  driver: DriverPort,
  stores: Stores,
  location: string,
  mode: "read" | "write",
): Promise<{ store: number; key: string }> {
  const uri = schemeOf(location) === undefined ? pathToFileUri(location) : location;
  const single = mode === "read" && !uri.endsWith("/") && (await driver.context.store(uri).head(uri)) !== undefined;
  if (!single) return { store: await addStore(driver, stores, uri.endsWith("/") ? uri : `${uri}/`, mode), key: "" };
  const name = basename(uri);
  return { store: await addStore(driver, stores, uri.slice(0, -name.length), mode), key: decodeURIComponent(name) };
}
