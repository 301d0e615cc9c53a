import { readdir, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ValidationError } from "../errors/kinds.ts";
import { makeFolders, tmpPath } from "./durable-files.ts";
import type { SessionBeat } from "./state-store.ts";
import { errnoCode } from "./storage-failure.ts";

const SESSION = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;

function beatPath(folder: string, session: string): string {
  if (!SESSION.test(session)) {
    throw new ValidationError({
      what: `The session id ${JSON.stringify(session)} is not usable as a file name.`,
      why: "It names a file in the state folder.",
      fix: ["Use 1 to 128 letters, digits, - and _."],
    });
  }
  return join(folder, `${session}.beat`);
}

/** Replaces the session's beat by rename. Not synced: a beat is worth nothing after a power cut. */
export async function writeBeat(folder: string, beat: SessionBeat, owner: string, nonce: string): Promise<void> {
  const path = beatPath(folder, beat.session);
  const tmp = tmpPath(folder, owner, nonce);
  const text = `${JSON.stringify({ v: 1, ...beat })}\n`;
  try {
    await writeFile(tmp, text, { flag: "wx", mode: 0o600 });
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") {
      await unlink(tmp).catch(() => {});
      throw error;
    }
    await makeFolders(folder);
    await writeFile(tmp, text, { flag: "wx", mode: 0o600 });
  }
  try {
    await rename(tmp, path);
  } catch (error) {
    await unlink(tmp).catch(() => {});
    throw error;
  }
}

function isBeat(value: unknown, name: string): value is SessionBeat & { v: number } {
  if (typeof value !== "object" || value === null) return false;
  const beat = value as Record<string, unknown>;
  return beat.v === 1 && `${String(beat.session)}.beat` === name && typeof beat.n === "number" && typeof beat.pid === "number";
}

/** All beats that can be read. A damaged one is left out: its session, if alive, writes a new one within seconds. */
export async function readBeats(folder: string): Promise<SessionBeat[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return [];
    throw error;
  }
  const beats: SessionBeat[] = [];
  for (const name of names.filter((entry) => entry.endsWith(".beat") && !entry.startsWith(".")).sort()) {
    try {
      const value: unknown = JSON.parse(await readFile(join(folder, name), "utf8"));
      if (!isBeat(value, name)) continue;
      const { v: _version, ...beat } = value;
      beats.push(beat);
    } catch (error) {
      const code = errnoCode(error);
      // Gone since the listing, or not JSON.
      if (code !== undefined && code !== "ENOENT") throw error;
    }
  }
  return beats;
}

/** Removes the session's beat; a missing one is fine. */
export async function removeBeat(folder: string, session: string): Promise<void> {
  await unlink(beatPath(folder, session)).catch((error: unknown) => {
    if (errnoCode(error) !== "ENOENT") throw error;
  });
}
