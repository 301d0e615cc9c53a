// Biome over the whole checkout. Seen with 2.6.8 on a busy machine: one call in several never ends and uses no processor. It is ended and asked again.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const write = process.argv.includes("--write");
const args = ["check", ".", "--max-diagnostics=30", "--error-on-warnings", "--colors=off", ...(write ? ["--write"] : [])];
for (let attempt = 1; attempt <= 4; attempt += 1) {
  const { status, signal, stdout, stderr } = spawnSync(join(root, "node_modules", ".bin", "biome"), args, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 << 20,
    timeout: 45_000,
    killSignal: "SIGKILL",
  });
  if (signal === null) {
    process.stdout.write(`${stdout}${stderr}`);
    process.exit(status ?? 1);
  }
  console.log(`Biome did not end within 45 s (attempt ${attempt}).`);
}
process.exit(1);
