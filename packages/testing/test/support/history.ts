import { World } from "../../src/world/world.ts";

const HOUR = 3_600_000;

/** A market that takes machines away, lag, a process that dies, one that sleeps: everything that draws random numbers. */
export async function history(seed: number | string): Promise<World> {
  const world = new World({
    seed,
    clouds: [{ spot: { meanReclaimMs: HOUR }, listing: { lagMs: [0, 30_000] }, latencyMs: 200 }],
    job: { steps: 300, stepSeconds: 30 },
  });
  const first = world.controller({ plan: [{ at: 90, variant: "late" }] });
  const ids: string[] = [];
  const program = async (): Promise<void> => {
    for (let n = 0; n < 2; n += 1) ids.push((await first.runctl.train(world.spec({ market: "spot", name: `r${n}` }))).id);
    await new Promise(() => undefined);
  };
  await world.run(Promise.race([program(), first.death]));
  const second = world.controller({ plan: { at: 200, sleepMs: 120_000 } });
  const driving = second.runctl.drive();
  await world.run(second.runctl.reconcile());
  await world.releaseLate();
  for (const id of ids) await world.run((await world.run(second.runctl.attach(id))).result());
  await world.run(second.close());
  await driving;
  return world;
}

/** Every event of every log, one text a line. */
export function everyEvent(world: World): string {
  return world.state.streams.flatMap((stream) => world.state.texts(stream).events).join("\n");
}
