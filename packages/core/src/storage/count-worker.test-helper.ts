import { ConflictError } from "../errors/kinds.ts";
import { systemClock } from "../util/clock.ts";
import { fileStore } from "./file-store.ts";

// Adds 1 to the object `times` times; dies by SIGKILL inside its `dieAt`th put, while it holds the right to replace.
const [uri = "", times = "0", dieAt = "0"] = process.argv.slice(2);
const fatal = Number(dieAt);
let done = 0;
const store = fileStore({ clock: systemClock });
if (fatal > 0) {
  const { default: promises } = await import("node:fs/promises");
  const { syncBuiltinESMExports } = await import("node:module");
  const { rename } = promises;
  promises.rename = async (from, to) => {
    if (done + 1 === fatal) process.kill(process.pid, "SIGKILL");
    await rename(from, to);
  };
  syncBuiltinESMExports();
}
while (done < Number(times)) {
  const head = await store.head(uri);
  const value = Number(Buffer.from(await store.get(uri)).toString());
  try {
    await store.put(uri, `${value + 1}`, { ifMatch: head?.etag });
    done += 1;
  } catch (error) {
    if (!ConflictError.isInstance(error)) throw error;
  }
}
