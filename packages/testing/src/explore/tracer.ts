import type { Boundary } from "../world/boundary.ts";
import type { World } from "../world/world.ts";
import type { TracePoint } from "./enumerate.ts";

/** Writes down the port calls of chosen processes, with the world's digest on both sides of each. */
export class Tracer {
  readonly #isOn: boolean;
  readonly #traces = new Map<string, TracePoint[]>();
  readonly #waiting: Array<{ controller: string; at: number; reached: () => void }> = [];
  #world: World | undefined;

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
    const before = this.#world.digest();
    trace.push({ at, port, op, hasEffect, before, after: before });
  }

  onEffect({ controller, at, hasEffect }: Boundary): void {
    const point = this.#traces.get(controller)?.[at - 1];
    if (!this.#isOn || !hasEffect || point === undefined || this.#world === undefined) return;
    point.after = this.#world.digest();
  }
}
