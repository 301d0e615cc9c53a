import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type AttemptFile,
  exitSchema,
  finalSchema,
  type HostFinal,
  hostEventSchema,
  noticeSchema,
  type PublishedManifest,
  publishedManifestSchema,
  statusSchema,
} from "@runctl/core/seams";

/** A job for the real agent that does what the model's does: saves by rename every second step, and on SIGTERM; files as the model names and fills them. */
export const JOB = `import json, os, signal, sys, time
folder, run, attempt = os.environ["RUNCTL_CHECKPOINT_DIR"], os.environ["RUNCTL_RUN_ID"], int(os.environ["RUNCTL_ATTEMPT"])
source = os.environ["RUNCTL_RESUME_FROM"]
step = json.load(open(source))["step"] if source else 0
steps, hold, fail = (int(os.environ.get(name, "0")) for name in ("STEPS", "HOLD_AFTER", "FAIL_AT"))
saved = step
def save():
    global saved
    if saved == step or "NO_SAVES" in os.environ: return
    with open(os.path.join(folder, ".tmp"), "w") as f: f.write('{"step":%d,"runId":"%s","attempt":%d}' % (step, run, attempt))
    os.rename(os.path.join(folder, ".tmp"), os.path.join(folder, "step-%d.json" % step))
    saved = step
    print("step", step, flush=True)
def stop(*_):
    if os.environ.get("ON_SIGNAL") != "ignore":
        save()
        os._exit(0)
signal.signal(signal.SIGTERM, stop)
print("training from step", step, "to", steps, flush=True)
while step < steps:
    time.sleep(float(os.environ["STEP_SECONDS"]))
    step += 1
    if step == fail: sys.exit(3)
    if step % 2 == 0 or step == steps: save()
    if step == hold:
        open("held", "w").close()
        while True: time.sleep(0.02)
if "DONE" in os.environ: open(os.environ["RUNCTL_DONE_FILE"], "w").close()
with open(os.path.join(os.environ["RUNCTL_OUTPUT_DIR"], "model.txt"), "w") as f: f.write("done")
`;

/** What one attempt left, in a form in which the real agent's and the model's can be the same. */
export interface Trace {
  /** Keys of the store; chunks of a log are one entry. */
  keys: string[];
  /** The training's log, from the store's chunks. */
  log: string;
  /** Records by key, with what must differ taken out. */
  records: Record<string, unknown>;
  /** Types of events, in order, with what each is about. */
  events: string[];
  final: unknown;
}

type Objects = Map<string, Uint8Array>;

/** All objects of a folder that is a store. */
export function objectsIn(root: string): Objects {
  const objects: Objects = new Map();
  const entries = readdirSync(root, { recursive: true, withFileTypes: true }) as Array<{
    isFile(): boolean;
    name: string;
    parentPath: string;
  }>;
  for (const entry of entries.filter((one) => one.isFile())) {
    const path = join(entry.parentPath, entry.name);
    objects.set(path.slice(root.length + 1), readFileSync(path));
  }
  return new Map([...objects].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What is comparable in a store after `attempts` attempts of run1, and in the last one's final record as its host told it. */
export function traceOf(objects: Objects, file: AttemptFile, told: HostFinal): Trace {
  const json = (key: string): unknown => JSON.parse(Buffer.from(objects.get(key) ?? []).toString());
  const attempt = `${file.runPrefix}attempts/${file.attempt}/`;
  const records: Record<string, unknown> = {};
  for (const key of objects.keys()) {
    const name = key.slice(key.lastIndexOf("/") + 1);
    if (name === "claim") records[key] = json(key);
    if (name === "exit.json") records[key] = { ...exitSchema.parse(json(key)), ...TIMES };
    if (name === "status.json") records[key] = statusOf(json(key));
    if (name === "final.json") records[key] = finalOf(finalSchema.parse(json(key)), json(key));
    if (name === "manifest.json") records[key] = manifestOf(json(key));
    if (/^LATEST\./.test(name)) records[key] = { ...(json(key) as object), at: "" };
  }
  const log = [...objects].filter(([key]) => key.startsWith(`${file.runPrefix}log/${file.attempt}/`));
  const eventsText = Buffer.from(objects.get(`${attempt}events.jsonl`) ?? []).toString();
  return {
    keys: [...new Set([...objects.keys()].map((key) => key.replace(/(log\/\d+\/)\d{16}$/, "$1…")))].sort(),
    log: log.map(([, bytes]) => Buffer.from(bytes).toString()).join(""),
    records,
    events: eventsText === "" ? [] : eventsText.trim().split("\n").flatMap(eventOf),
    final: finalOf(told, told),
  };
}

const TIMES = { endedUptime: 0, endedAt: "" };

function eventOf(line: string): string[] {
  const event = hostEventSchema.parse(JSON.parse(line));
  switch (event.type) {
    case "progress":
      return [`${event.operation}: ${event.done} of ${event.total} ${event.unit} ${event.detail}`];
    case "checkpoint-published":
      return [`published ${event.manifest}`];
    case "resume-rejected":
      return [`rejected ${event.manifest}: ${event.reason}`];
    case "decision":
      return [`decision ${event.what.replace(/\d+ s/g, "n s")}`];
    case "notice":
      return [`notice ${event.action} ${event.source}`];
    default:
      return [event.type];
  }
}

function manifestOf(value: unknown): Partial<PublishedManifest> {
  const { createdAt, ...rest } = publishedManifestSchema.parse(value);
  // Nothing that is written goes past the schema.
  return {
    ...rest,
    ...Object.fromEntries(Object.keys(value as object).map((key) => [`has ${key}`, true])),
    createdAt: createdAt.replace(/\d/g, "0"),
  };
}

function finalOf(final: HostFinal, raw: unknown): Record<string, unknown> {
  return {
    ...final,
    startedAt: final.startedAt?.replace(/\d/g, "0") ?? null,
    endedAt: final.endedAt.replace(/\d/g, "0"),
    // Which phases there were; how long they took is the model's business.
    seconds: Object.keys(final.seconds).sort(),
    fields: Object.keys(raw as object).sort(),
  };
}

function statusOf(value: unknown): Record<string, unknown> {
  const status = statusSchema.parse(value);
  // The real agent's last one in the store may be half a second old, so nothing that changes at the end.
  return {
    fields: Object.keys(value as object).sort(),
    resumedFrom: status.resumedFrom,
    allowanceSeq: status.allowanceSeq,
    startedAt: status.startedAt === null,
  };
}

/** The notice of an attempt, without its times. */
export function noticeOf(value: unknown): unknown {
  const notice = noticeSchema.parse(value);
  return { cause: notice.cause, until: notice.until === null, detail: notice.detail?.replace(/\d+ s/, "n s") ?? null };
}
