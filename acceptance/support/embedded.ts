// A host application that embeds runctl. Writes what it noticed of side effects to a file, prints nothing, and must end by itself.
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const [dir = "", script = ""] = process.argv.slice(2);
// zod keeps two registries on globalThis, whoever imports it.
const globals = (): string =>
  Object.getOwnPropertyNames(globalThis)
    .filter((name) => !["__zod_globalConfig", "__zod_globalRegistry"].includes(name))
    .sort()
    .join();
const before = {
  globals: globals(),
  env: JSON.stringify(process.env),
  listeners: process
    .eventNames()
    .map((name) => `${String(name)}:${process.listenerCount(name)}`)
    .sort()
    .join(),
  cwd: process.cwd(),
};
const { memoryState, Runctl } = await import("@runctl/core");
const { local } = await import("@runctl/provider-local");
const state = memoryState();
const runctl = new Runctl({
  project: "embedded",
  user: "u",
  providers: [local({ home: join(dir, "home") })],
  state,
  store: join(dir, "store"),
});
const run = await runctl.train({ script, root: join(script, ".."), dependencies: "none" });
// P-31: readers that stop in the middle.
for await (const _line of run.logs()) break;
for await (const _event of run.events()) break;
for await (const _event of runctl.events()) break;
for await (const _summary of runctl.resources.watch()) break;
const result = await run.result();
let refused = "";
try {
  await runctl.train({ script: join(dir, "missing.py") });
} catch (error) {
  refused = (error as { code: string }).code;
}
await runctl.close();
const after = {
  globals: globals(),
  env: JSON.stringify(process.env),
  listeners: process
    .eventNames()
    .map((name) => `${String(name)}:${process.listenerCount(name)}`)
    .sort()
    .join(),
  cwd: process.cwd(),
};
writeFileSync(join(dir, "seen.json"), JSON.stringify({ before, after, status: result.status, refused }));
