import { fileStore } from "../storage/file-store.ts";
import { snapshotCode } from "./snapshot-code.ts";

// Dies by SIGKILL once some packs are in the store.
const [root = "", prefix = "", cacheDir = ""] = process.argv.slice(2);
const store = fileStore();
let puts = 0;
await snapshotCode({
  root,
  prefix,
  cacheDir,
  packBytes: 300_000,
  store: {
    ...store,
    async put(uri, body, options) {
      puts += 1;
      if (puts === 6) process.kill(process.pid, "SIGKILL");
      return store.put(uri, body, options);
    },
  },
});
