import { afterEach } from "vitest";
import { World, type WorldOptions } from "../../src/world/world.ts";

/** Worlds of one test file: disposed after each test. */
export function useWorlds(): (options?: Partial<WorldOptions>) => World {
  const worlds: World[] = [];
  afterEach(() => {
    for (const made of worlds.splice(0)) made.dispose();
  });
  return (options = {}) => {
    const made = new World({ seed: 1, ...options });
    worlds.push(made);
    return made;
  };
}

/** Types of a run's events, oldest first. */
export function eventTypes(world: World, runId: string): string[] {
  return world.log(runId).map((text) => (JSON.parse(text) as { event: { type: string } }).event.type);
}
