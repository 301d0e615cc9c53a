import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stateConformance } from "../../test/support/state-conformance.ts";
import { fileState } from "./file-state.ts";

stateConformance("file", async () => {
  const parent = await mkdtemp(join(tmpdir(), "runctl state 'ö' "));
  const dir = join(parent, "deep", ".runctl");
  return { store: fileState(dir), again: () => fileState(dir), cleanup: () => rm(parent, { recursive: true }) };
});
