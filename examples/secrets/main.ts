// Gives a token to the script. It travels by reference and by pipes: it is in no file, no log and no command line.
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fileState, Runctl } from "@runctl/core";
import { local } from "@runctl/provider-local";

const token = `hub_${randomBytes(16).toString("hex")}`;
process.env.MY_HUB_TOKEN = token; // as your shell or your secret manager would

const scratch = await mkdtemp(join(tmpdir(), "runctl-secrets-"));
const state = fileState(join(scratch, "state"));
const runctl = new Runctl({ project: "secrets", providers: [local({ home: join(scratch, "machines") })], state });

try {
  const run = await runctl.train({
    script: fileURLToPath(new URL("./train.py", import.meta.url)),
    // HUB_TOKEN in the training is MY_HUB_TOKEN of this process. Only the name is stored.
    secrets: { HUB_TOKEN: { env: "MY_HUB_TOKEN" } },
    onEnd: "keep", // so that the machine's folder can be searched, too
  });
  const result = (await run.result()).orThrow();
  const digest = createHash("sha256").update(token).digest("hex").slice(0, 12);
  console.log(`the script got it: ${result.logTail.join("").includes(digest)}`);

  let files = 0;
  let found = 0;
  for (const entry of await readdir(scratch, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    files += 1;
    if ((await readFile(join(entry.parentPath, entry.name))).includes(token)) found += 1;
  }
  console.log(`searched ${files > 10 ? "all" : "too few"} files of state, store and machine: the token is in ${found} of them`);
} finally {
  await runctl.close();
  await state.close();
  await rm(scratch, { recursive: true, force: true });
}
