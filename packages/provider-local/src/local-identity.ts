import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { type AccountIdentity, type Clock, sha256Hex } from "@runctl/core/provider";
import { runCommand } from "./run-command.ts";
import { safeEnv } from "./safe-env.ts";

/** This computer: a hash of its machine id (the id itself is confidential), or of its host name where it has none. */
export async function localIdentity(clock: Clock): Promise<AccountIdentity> {
  const id = (await machineId(clock)) ?? `host:${hostname()}`;
  return { id: `local-${sha256Hex(`runctl:${id}`).slice(0, 16)}`, name: hostname() };
}

async function machineId(clock: Clock): Promise<string | undefined> {
  for (const file of ["/etc/machine-id", "/var/lib/dbus/machine-id"]) {
    const text = (await readFile(file, "utf8").catch(() => "")).trim();
    if (/^[0-9a-f]{32}$/.test(text)) return text;
  }
  if (process.platform !== "darwin") return undefined;
  const result = await runCommand(clock, ["ioreg", "-rd1", "-c", "IOPlatformExpertDevice"], {
    env: safeEnv(process.env),
    timeoutMs: 5_000,
  });
  return /"IOPlatformUUID" = "([^"]+)"/.exec(result.stdout)?.[1];
}
