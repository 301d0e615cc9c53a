import { join } from "node:path";
import { HostUnreachableError, memoryState, Runctl } from "@runctl/core";
import { type BilledInterval, defineProvider, type Intent, type Machine, type TrainingProvider } from "@runctl/core/provider";
import { local } from "@runctl/provider-local";
import { describe, expect, it } from "vitest";
import { COUNTING, eventually, output, withBed } from "./support/bed.ts";

/** What a third party would write: its own records of machines, one fixed offer, sessions by somebody else's transport. */
function third(home: string): TrainingProvider {
  const transport = local({ name: "transport", home });
  const machines = new Map<string, Machine>();
  const rename = (machine: Machine): Machine => ({ ...machine, ref: { ...machine.ref, provider: "third" } });
  return defineProvider({
    specVersion: "v1",
    name: "third",
    capabilities: {
      identity: "token",
      boot: "session",
      guard: "none",
      containers: "none",
      spot: false,
      multiPool: false,
      gang: false,
      tagsAtCreate: true,
      settleMs: 0,
      pollMs: 200,
      sharedHost: true,
    },
    async offers() {
      const price = { amount: 0.25, currency: "USD" };
      return [
        {
          id: "tiny",
          provider: "third",
          type: "tiny",
          accelerators: [],
          market: "on-demand",
          pricePerHour: price,
          can: { stop: false, notice: false, endItself: false },
        },
      ];
    },
    async create(intent: Intent) {
      const made = await transport.create(intent);
      if (made.kind !== "created") return made;
      const machine = rename(made.machines[0]);
      machines.set(machine.ref.id, machine);
      return { kind: "created", machines: [machine], also: [] };
    },
    async find(query) {
      const { machines: listed, complete } = await transport.find({ ...query });
      return { machines: listed.map(rename), others: [], complete };
    },
    terminate: (ref) => transport.terminate({ ...ref, provider: "transport" }),
    remove: (ref) => transport.remove({ ...ref, provider: "transport" }),
    async connect(machine, options) {
      if (transport.connect === undefined) throw new Error("no transport");
      return transport.connect({ ...machine, ref: { ...machine.ref, provider: "transport" } }, options);
    },
    costs: async (): Promise<BilledInterval[]> => [],
    identity: async () => ({ id: "third-account" }),
  });
}

describe.concurrent("providers of others", () => {
  it("S-29: the ten lines work unchanged with a third party's provider", () =>
    withBed(async (bed) => {
      const spec = await bed.script(COUNTING, { args: ["3", "0.05"], checkpoints: { dir: "checkpoints" } });
      const runctl = new Runctl({
        project: "digits",
        providers: [third(join(bed.dir, "third"))],
        state: memoryState(),
        store: join(bed.dir, "store3"),
      });
      const run = await runctl.train(spec);
      expect(await output(run)).toEqual(["from 0", "step 1", "step 2", "step 3"]);
      const result = await run.result();
      expect([result.status, result.exitCode]).toEqual(["succeeded", 0]);
      expect(result.cost.total?.amount).toBeGreaterThan(0);
      expect(result.checkpoints.at(-1)?.location).toContain("store3");
      expect(result.attempts[0]?.provider).toBe("third");
      await runctl.close();
    }));

  it("S-29: what it cannot do is refused before anything is created; a wrong shape when it is defined", () =>
    withBed(async (bed) => {
      const provider = third(join(bed.dir, "third"));
      const runctl = new Runctl({ project: "digits", providers: [provider], state: memoryState(), store: join(bed.dir, "store3") });
      await expect(runctl.train(await bed.script(["print(1)"], { onEnd: "stop" }))).rejects.toMatchObject({
        code: "RUNCTL_UNSUPPORTED_CAPABILITY",
      });
      expect((await provider.find({})).machines).toEqual([]);
      const { connect: _connect, ...rest } = provider;
      expect(() => defineProvider(rest)).toThrow(/connect/);
      await runctl.close();
    }));

  it("P-04: the client is cut off from the host: the run goes on, no duplicate, no teardown, and its log is whole", () => {
    let cut = false;
    let creates = 0;
    let refused = 0;
    return withBed(
      async (bed) => {
        const run = await bed.runctl.train(await bed.script(COUNTING, { args: ["40", "0.2"] }), { until: "running" });
        cut = true;
        await eventually(() => expect(refused).toBeGreaterThan(4));
        const during = await run.status();
        expect([during.status, during.attempt]).toEqual(["running", 1]);
        cut = false;
        const result = await run.result();
        expect(result.status).toBe("succeeded");
        expect(result.attempts).toHaveLength(1);
        expect(creates).toBe(1);
        const steps = (await output(run)).filter((line) => line.startsWith("step"));
        expect(steps).toEqual(Array.from({ length: 40 }, (_, step) => `step ${step + 1}`));
        await bed.mustBeEmpty();
      },
      {
        wrap: (provider) => {
          const broken = (): never => {
            refused += 1;
            throw new HostUnreachableError({ what: "The network is down." });
          };
          return {
            ...provider,
            create: (intent, options) => {
              creates += 1;
              return provider.create(intent, options);
            },
            connect: async (machine, options) => {
              if (cut || provider.connect === undefined) return broken();
              const session = await provider.connect(machine, options);
              return {
                home: session.home,
                cacheDir: session.cacheDir,
                exec: async (argv, given) => (cut ? broken() : session.exec(argv, given)),
                write: async (path, data, given) => (cut ? broken() : session.write(path, data, given)),
                upload: async (from, to, given) => (cut ? broken() : session.upload(from, to, given)),
                download: async (from, to, given) => (cut ? broken() : session.download(from, to, given)),
                read: async (path, offset, max) => (cut ? broken() : session.read(path, offset, max)),
                watch: (path, onChange) => session.watch?.(path, onChange) ?? (() => undefined),
                close: () => session.close(),
              };
            },
          };
        },
      },
    );
  });
});
