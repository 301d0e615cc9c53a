import { type AttemptFile, parseTreeManifest, treeDigest } from "@runctl/core/seams";
import { type HostStore, MissingObject, StoreFailure } from "./host-store.ts";
import { SetupFailure } from "./restore.ts";

const DAMAGED = ["start a new run: the snapshot is made again from the project root"];

/** setup/stage.py without the writing: the code snapshot must be whole in the store before the first host begins. */
export async function stage(code: NonNullable<AttemptFile["code"]>, store: HostStore): Promise<void> {
  try {
    const tree = parseTreeManifest(await store.get(code.manifest));
    if (tree === undefined || treeDigest(tree) !== code.sha256) {
      throw new SetupFailure("the code snapshot is not valid", `${code.manifest} is not the tree ${code.sha256}`, DAMAGED);
    }
    const ends = new Map<string, number>();
    for (const file of tree.files) {
      const pack = tree.packs[file.pack] ?? "";
      ends.set(pack, Math.max(ends.get(pack) ?? 0, file.offset + file.size));
    }
    for (const [pack, end] of ends) {
      const size = pack === "" ? undefined : await store.size(pack);
      if (size === undefined || size < end) {
        throw new SetupFailure("the code snapshot is damaged", `the store has ${size ?? "none"} of ${end} bytes of ${pack}`, DAMAGED);
      }
    }
  } catch (error) {
    if (error instanceof MissingObject) throw new SetupFailure("the code snapshot is gone", `the store has no ${code.manifest}`, DAMAGED);
    if (!(error instanceof StoreFailure)) throw error;
    throw new SetupFailure("the code snapshot cannot be read", error.message, ["check the run's store and start the run again"]);
  }
}
