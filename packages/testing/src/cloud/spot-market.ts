import type { Random, Timer } from "@runctl/core/provider";
import type { CloudEvents } from "./cloud-events.ts";
import { type CloudMachine, stateAt } from "./cloud-machine.ts";
import type { SpotOptions } from "./cloud-options.ts";
import type { CloudTime } from "./cloud-time.ts";
import type { MachineNotice } from "./machine-host.ts";
import type { MachinePlan } from "./machine-plan.ts";
import type { Pool } from "./pool.ts";

const DEFAULT_NOTICE_MS = 120_000;
const RECLAIMED = "Server.SpotInstanceTermination: Spot instance termination";

/** What the market needs to take machines back. */
export interface SpotParts {
  time: CloudTime;
  random: Random;
  events: CloudEvents;
  options: SpotOptions;
  end(machine: CloudMachine, reason: string, options: { reclaimed: boolean }): void;
  stop(machine: CloudMachine, reason: string, options: { reclaimed: boolean }): void;
}

interface Held {
  machines: Set<CloudMachine>;
  timer?: Timer | undefined;
}

/**
 * Takes spot machines back: when a pool's capacity falls below what is in use (newest first), after a drawn or scripted time, or when
 * told to. A pool costs one timer while machines of it run and its schedule still changes, a machine none.
 */
export class SpotMarket {
  readonly #parts: SpotParts;
  readonly #pools = new Map<Pool, Held>();
  #nth = 0;

  constructor(parts: SpotParts) {
    this.#parts = parts;
  }

  get noticeMs(): number {
    return this.#parts.options.noticeMs ?? DEFAULT_NOTICE_MS;
  }

  poweredOn(machine: CloudMachine, plan: MachinePlan | undefined): void {
    const { time, options } = this.#parts;
    if (machine.pool.market === "spot") {
      const held = this.#pools.get(machine.pool) ?? { machines: new Set() };
      this.#pools.set(machine.pool, held);
      held.machines.add(machine);
      if (held.timer === undefined) this.#watch(machine.pool, held, time.now());
    }
    const after = plan?.reclaimAfterMs ?? (machine.pool.market === "spot" ? this.#draw(options) : undefined);
    if (after !== undefined) machine.timers.push(time.at(time.now() + after, () => this.reclaim(machine, { noticeMs: plan?.noticeMs })));
  }

  poweredOff(machine: CloudMachine): void {
    const held = this.#pools.get(machine.pool);
    held?.machines.delete(machine);
    if (held?.machines.size !== 0) return;
    held.timer?.cancel();
    this.#pools.delete(machine.pool);
  }

  /** Takes a machine back: the notice now, the end after it. Nothing for a machine that is off or already noticed to go sooner. */
  reclaim(machine: CloudMachine, options: { noticeMs?: number | undefined; action?: "terminate" | "stop" | undefined } = {}): void {
    const action = options.action ?? this.#parts.options.onReclaim ?? "terminate";
    this.announce(machine, { action, noticeMs: options.noticeMs ?? this.noticeMs, reason: RECLAIMED, reclaimed: true });
  }

  /** A notice with an end, whatever its cause. */
  announce(
    machine: CloudMachine,
    what: { action: "terminate" | "stop"; noticeMs: number; reason: string; reclaimed: boolean; kind?: "maintenance" | undefined },
  ): void {
    const { time, end, stop } = this.#parts;
    const now = time.now();
    if (!isOn(machine, now)) return;
    const atMs = now + what.noticeMs;
    if (machine.notice?.atMs !== undefined && machine.notice.atMs <= atMs) return;
    const take = (): void => {
      if (!isOn(machine, time.now())) return;
      if (what.action === "stop" && stateAt(machine, time.now()) === "running") stop(machine, what.reason, what);
      else end(machine, what.reason, what);
    };
    if (what.noticeMs === 0) {
      take();
      return;
    }
    this.#tell(machine, { action: what.kind ?? what.action, atMs });
    machine.timers.push(time.at(atMs, take));
  }

  /** A hint without a time: it may be followed by a notice, or by nothing. */
  hint(machine: CloudMachine): void {
    if (machine.notice === undefined && isOn(machine, this.#parts.time.now())) this.#tell(machine, { action: "rebalance" });
  }

  #tell(machine: CloudMachine, notice: MachineNotice): void {
    const { events, time } = this.#parts;
    machine.notice = notice;
    machine.version += 1;
    const kind = notice.action === "rebalance" ? "rebalance" : notice.action === "maintenance" ? "maintenance" : "notice";
    if (events.wanted) events.push({ at: time.now(), kind, id: machine.id, account: machine.account, detail: notice.action });
    machine.host?.notice(notice);
  }

  #watch(pool: Pool, held: Held, from: number): void {
    const { time, options } = this.#parts;
    const change = pool.capacity.nextChange(from);
    if (change === undefined) {
      held.timer = undefined;
      return;
    }
    const hintAt = change - (options.rebalanceBeforeMs ?? 0);
    if (options.rebalanceBeforeMs !== undefined && hintAt > time.now()) {
      held.timer = time.at(hintAt, () => {
        for (const machine of this.#surplus(pool, held, change)) this.hint(machine);
        held.timer = time.at(change, () => this.#fell(pool, held, change));
      });
      return;
    }
    held.timer = time.at(change, () => this.#fell(pool, held, change));
  }

  #fell(pool: Pool, held: Held, at: number): void {
    for (const machine of this.#surplus(pool, held, at)) this.reclaim(machine);
    if (this.#pools.get(pool) === held) this.#watch(pool, held, at);
  }

  /** Machines beyond the capacity of that moment, newest first; those already on their way out count as gone. */
  #surplus(pool: Pool, held: Held, at: number): CloudMachine[] {
    const staying = [...held.machines].filter((machine) => machine.notice?.atMs === undefined);
    const over = staying.length - pool.capacity.at(at);
    return over > 0 ? staying.reverse().slice(0, over) : [];
  }

  #draw(options: SpotOptions): number | undefined {
    const nth = this.#nth++;
    if (nth < (options.reclaimAfterMs?.length ?? 0)) return options.reclaimAfterMs?.[nth];
    if (options.meanReclaimMs === undefined) return undefined;
    return Math.ceil(-Math.log(1 - this.#parts.random.next()) * options.meanReclaimMs);
  }
}

function isOn(machine: CloudMachine, now: number): boolean {
  const state = stateAt(machine, now);
  return state === "pending" || state === "running";
}
