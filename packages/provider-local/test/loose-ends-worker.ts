// Uses a session and closes nothing: the process must end by itself all the same.
import { local } from "../src/index.ts";

const [home, intent = ""] = process.argv.slice(2);
const provider = local({ home });
const outcome = await provider.create(JSON.parse(intent));
if (outcome.kind !== "created") throw new Error(outcome.kind);
const session = await provider.connect?.(outcome.machines[0]);
await session?.exec(["true"], { timeoutMs: 3_600_000, signal: new AbortController().signal });
session?.watch?.("runs/r1/1", () => undefined);
await session?.write("runs/r1/1/status.json", "{}");
await provider.usage?.(outcome.machines[0]);
