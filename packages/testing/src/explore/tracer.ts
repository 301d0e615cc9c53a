import type { Boundary } from "../world/boundary.ts";
import type { World } from "../world/world.ts";
import type { TracePoint } from "./enumerate.ts";

/** Writes down the port calls of chosen processes, with the world's digest on both sides of each. */
export class Tracer {
  readonly #isOn: boolean;
  readonly #traces = new Map<string, TracePoint[]>();
  readonly #waiting: Array<{ controller: string; at: number; reached: () => void }> = [];
  #world: World | undefined;
  #signs = "";
  #known = "";

  /** Off, it only tells when calls are reached. */
  constructor(isOn: boolean) {
    this.#isOn = isOn;
  }

  watch(world: World): void {
    this.#world = world;
  }

  follow(controller: string): void {
    this.#traces.set(controller, []);
  }

  /** Resolves when the process makes its n-th call; never when it does not. */
  reached(controller: string, at: number): Promise<void> {
    return new Promise((reached) => {
      this.#waiting.push({ controller, at, reached });
    });
  }

  traceOf(controller: string): TracePoint[] {
    return this.#traces.get(controller) ?? [];
  }

  onCall({ controller, at, port, op, hasEffect }: Boundary): void {
    for (const waiting of this.#waiting) if (waiting.controller === controller && waiting.at === at) waiting.reached();
    const trace = this.#traces.get(controller);
    if (!this.#isOn || trace === undefined || this.#world === undefined) return;
    const before = this.#digest(this.#world);
    trace.push({ at, port, op, hasEffect, before, after: before });
  }

  onEffect({ controller, at, hasEffect }: Boundary): void {
    const point = this.#traces.get(controller)?.[at - 1];
    if (!this.#isOn || !hasEffect || point === undefined || this.#world === undefined) return;
    point.after = this.#digest(this.#world);
  }

  /** Digests are dear: one is made again only when anything could have changed. */
  #digest(world: World): string {
    const { state, store, clouds, hosts } = world;
    const signs = [
      state.id,
      ...state.streams.map((stream) => `${state.lengthOf(stream)}${state.isEnded(stream) ? "!" : ""}`),
      store.version,
      ...clouds.flatMap((cloud) =>
        [...cloud.machines()].map((machine) => `${machine.state}${machine.notice?.action ?? ""}${Object.keys(machine.tags).length}`),
      ),
      ...clouds.flatMap((cloud) => [...cloud.volumes()].map((volume) => `${volume.attachedTo ?? ""}${volume.deletedAt ?? ""}`)),
      ...hosts.trainings.map((training) => `${training.stepsTo} ${training.to ?? ""}`),
    ].join();
    if (signs !== this.#signs) {
      this.#signs = signs;
      this.#known = world.digest();
    }
    return this.#known;
  }
}
