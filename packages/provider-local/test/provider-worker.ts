// A process that does one thing with a machine when it is told to, for tests of several at once, of kills in the middle and of other users.
import { RunctlError } from "@runctl/core/provider";
import { local } from "../src/index.ts";

const [home, operation, argument = ""] = process.argv.slice(2);
const provider = local({ home });

process.once("message", async () => {
  try {
    const answer =
      operation === "create"
        ? await provider.create(JSON.parse(argument))
        : await provider.terminate({ provider: "local", kind: "machine", id: argument });
    process.send?.({ answer });
  } catch (error) {
    process.send?.({ error: RunctlError.is(error) ? error.toJSON() : { what: String(error) } });
  }
  process.disconnect();
});
process.send?.("ready");
