import { afterEach, describe, expect, it } from "vitest";
import { World, type WorldOptions } from "../src/world/world.ts";

const worlds: World[] = [];
function world(options: Partial<WorldOptions> = {}): World {
  const made = new World({ seed: 1, ...options });
  worlds.push(made);
  return made;
}
afterEach(() => {
  for (const made of worlds.splice(0)) made.dispose();
});

describe("a simulated world", () => {
  it("trains a run from beginning to end in a day that takes a moment", async () => {
    const w = world();
    const { runctl } = w.controller();
    const run = await w.run(runctl.train(w.spec()));
    const result = await w.run(run.result());
    expect(result.status).toBe("succeeded");
    expect(w.hosts.trainings).toHaveLength(1);
    await w.run(runctl.close());
      w.boundaries
        .map((b) => `${b.at} ${b.time - w.clock.now()} ${b.port}.${b.op} ${b.what}`)
        .slice(0, 60)
        .join("\n"),
    );
  });
});
