import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ESBUILD = fileURLToPath(new URL("../../../../node_modules/.bin/esbuild", import.meta.url));

/** A program of these sources as one file that plain Node starts, in a tenth of the time that the sources take. Returns its path. */
export function bundle(entry: URL, folder: string): string {
  const file = join(folder, "program.mjs");
  const options = ["--bundle", "--platform=node", "--format=esm", "--target=node20", "--log-level=warning", "--conditions=@runctl/source"];
  execFileSync(ESBUILD, [fileURLToPath(entry), `--outfile=${file}`, ...options]);
  return file;
}
