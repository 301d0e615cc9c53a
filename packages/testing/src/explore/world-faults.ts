import { SeededRandom } from "../clock/seeded-random.ts";
import type { VirtualClock } from "../clock/virtual-clock.ts";
import type { EmulatedCloudOptions } from "../cloud/cloud-options.ts";
import type { EmulatedCloud } from "../cloud/emulated-cloud.ts";
import type { FaultKind } from "../cloud/faults.ts";

/** Something that goes wrong outside the program. */
export interface WorldFault {
  /** For reports. */
  readonly label: string;
  /** Changes the cloud's options. */
  readonly cloud?: EmulatedCloudOptions | undefined;
  /** Set up before the program starts. */
  arrange?(world: { clouds: readonly EmulatedCloud[]; clock: VirtualClock }): void;
  /** The wall clock jumps. */
  readonly jumps?: boolean | undefined;
  /** The program's first process dies at this port call, applied. */
  readonly killAt?: number | undefined;
}

const MINUTE = 60_000;

type Maker = (random: SeededRandom) => WorldFault;

const MAKERS: readonly Maker[] = [
  (random) =>
    scripted("create", random.pick(["lost", "reply-lost", "throttle", "down", "twice", "raw-after-effect", "applied-late", "late"]), 1),
  (random) => scripted("create", "reply-lost", random.integer(2, 3)),
  (random) => scripted("terminate", random.pick(["lie", "lost", "reply-lost", "down", "twice"]), random.integer(1, 4)),
  (random) => scripted("find", random.pick(["incomplete", "down", "throttle"]), random.integer(1, 8)),
  (random) => scripted("connect", random.pick(["down", "throttle", "raw"]), random.integer(1, 6)),
  (random) => scripted("host", random.pick(["lost", "reply-lost", "raw"]), random.integer(1, 4)),
  (random) => {
    const lagMs = random.integer(1, 60) * 1000;
    return { label: `listings lag ${lagMs / 1000} s`, cloud: { listing: { lagMs } } };
  },
  (random) => cutLink("client-cloud", random),
  (random) => cutLink("client-host", random),
  (random) => cutLink("host-world", random),
  (random) => {
    const at = random.integer(1, 180) * 1000;
    const ms = random.pick([-3_600_000, -60_000, 60_000, 3_600_000]);
    return {
      label: `the wall clock jumps ${ms / 1000} s after ${at / 1000} s`,
      jumps: true,
      arrange: ({ clock }) => void clock.timer(at, () => clock.jump(ms)),
    };
  },
  (random) => {
    const killAt = random.integer(1, 120);
    return { label: `death at call ${killAt}`, killAt };
  },
];

/** Two faults, the same ones for the same number. */
export function drawFaults(draw: number): [WorldFault, WorldFault] {
  const random = new SeededRandom(`faults/${draw}`);
  const [first, second] = random.shuffle(MAKERS);
  if (first === undefined || second === undefined) throw new TypeError("There are no faults to draw from.");
  return [first(random), second(random)];
}

function scripted(op: "create" | "terminate" | "find" | "connect" | "host", kind: FaultKind, times: number): WorldFault {
  return {
    label: `${op}: ${kind}, ${times} times`,
    arrange: ({ clouds }) => {
      for (const cloud of clouds) cloud.faults.next(op, ...Array.from({ length: times }, () => ({ kind, ms: 90_000 })));
    },
  };
}

function cutLink(link: "client-cloud" | "client-host" | "host-world", random: SeededRandom): WorldFault {
  const at = random.integer(1, 120) * 1000;
  const forMs = random.pick([20_000, MINUTE, 10 * MINUTE]);
  return {
    label: `${link} is cut for ${forMs / 1000} s after ${at / 1000} s`,
    arrange: ({ clouds, clock }) =>
      void clock.timer(at, () => {
        for (const cloud of clouds) cloud.network.cut(link, { forMs });
      }),
  };
}
