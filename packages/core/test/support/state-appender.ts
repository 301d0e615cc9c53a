/** A process that appends to a state folder until it has done its share or is killed. Tells each acknowledged append on stdout. */
import { ConflictError } from "../../src/errors/kinds.ts";
import { fileState } from "../../src/state/file-state.ts";

const [dir = "", stream = "", session = "", count = "0", compactAt = "0"] = process.argv.slice(2);
const store = fileState(dir);
process.stdout.write(`id ${await store.stateId()}\n`);
let next = (await store.read(stream)).length;
for (let done = 0; done < Number(count); ) {
  try {
    await store.append(stream, [{ by: session, n: done }], { expected: next, session, at: "2026-11-22T00:00:00.000Z" });
    next += 1;
    done += 1;
    process.stdout.write(`ack ${session} ${done - 1}\n`);
    if (Number(compactAt) > 0 && done % Number(compactAt) === 0) {
      // Ended streams too: a kill may come in the middle of ending one.
      const other = `run/ended-${session}-${done}`;
      await store.append(other, [{ n: 0 }, { n: 1 }], { expected: 0, session, at: "2026-11-22T00:00:00.000Z" });
      process.stdout.write(`made ${other}\n`);
      await store.compact(other, { status: "succeeded" });
      process.stdout.write(`ended ${other}\n`);
    }
  } catch (error) {
    if (!ConflictError.isInstance(error)) throw error;
    next += (await store.read(stream, next)).length;
  }
}
await store.close();
