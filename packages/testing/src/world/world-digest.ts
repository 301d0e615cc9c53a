import { sha256Hex } from "@runctl/core/provider";
import { Normaliser } from "./normalise.ts";
import type { World } from "./world.ts";

/** Objects up to this size go in as text, so that the ids in them are normalised; larger ones by their bytes (upper case: no id). */
const TEXT_BYTES = 256 * 1024;

/** Everything of a world that outlives processes, ids normalised, one thing a line. */
export function describeWorld(world: World, withTime: boolean): { text: string; digest: string } {
  const lines: string[] = [];
  if (withTime) lines.push(`now ${world.clock.now()}`);
  lines.push(`state ${world.state.id}`);
  for (const stream of world.state.streams) {
    const { events, summary } = world.state.texts(stream);
    for (const event of events) lines.push(`${stream} ${event}`);
    if (summary !== undefined) lines.push(`${stream} ended ${summary}`);
  }
  for (const uri of world.store.uris) {
    const bytes = world.store.peek(uri);
    if (bytes === undefined) continue;
    const content = bytes.byteLength > TEXT_BYTES ? `sha256 ${sha256Hex(bytes).toUpperCase()}` : Buffer.from(bytes).toString("latin1");
    lines.push(`${uri} ${content}`);
  }
  for (const cloud of world.clouds) {
    for (const machine of cloud.machines()) lines.push(`${cloud.name} ${JSON.stringify({ ...machine, client: undefined })}`);
    for (const volume of cloud.volumes()) lines.push(`${cloud.name} ${JSON.stringify(volume)}`);
  }
  for (const training of world.hosts.trainings) lines.push(`trained ${JSON.stringify(training)}`);
  const text = new Normaliser([[world.projectRoot, "<project>"]]).text(lines.join("\n"));
  return { text, digest: sha256Hex(text) };
}
