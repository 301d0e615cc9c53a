import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AmbiguousOutcomeError,
  AuthenticationError,
  ConflictError,
  errorKind,
  type HostSession,
  type Intent,
  type Machine,
  NoCapacityError,
  NotFoundError,
  type Offer,
  PermissionError,
  type ProviderVolumes,
  QuotaError,
  ThrottledError,
  type TrainingProvider,
  ValidationError,
} from "@runctl/core/provider";
import { local } from "@runctl/provider-local";
import type { ProviderSubject } from "../../src/conformance/options.ts";
import { type CloudSubject, cloudSubject } from "./cloud-subject.ts";

/** Breaks exactly one rule of the contract; the suite must name the case of that rule. */
export interface Saboteur {
  /** The case that must fail. */
  id: string;
  /** What is broken, in words. */
  breaks: string;
  /** Where it is broken. The same base, unbroken, must pass the case. */
  base: () => ProviderSubject;
  /** Changes the client (both clients, where there are two). */
  client?: (provider: TrainingProvider, far: ProviderSubject) => TrainingProvider;
  /** Changes anything else of the subject. */
  subject?: (subject: ProviderSubject) => ProviderSubject;
  /** Cases that must run before, for those that look at what others saw. */
  after?: string[];
}

/** The subject of a saboteur. */
export function sabotaged({ base, client, subject }: Saboteur): ProviderSubject {
  const good = base();
  const again = good.again;
  const broken: ProviderSubject =
    client === undefined
      ? good
      : {
          ...good,
          provider: client(good.provider, good),
          ...(again === undefined ? {} : { again: async () => client(await again(), good) }),
        };
  return subject === undefined ? broken : subject(broken);
}

const cloud = (options?: Parameters<typeof cloudSubject>[0]) => () => cloudSubject(options);

/** A local machine: real commands, real files. */
function onThisComputer(): ProviderSubject {
  const home = mkdtempSync(join(tmpdir(), "runctl-saboteur-"));
  const make = () => local({ home });
  return { provider: make(), again: make, dispose: () => rmSync(home, { recursive: true, force: true }) };
}

type Methods = { [K in keyof TrainingProvider]?: (good: TrainingProvider) => unknown };

/** The provider with some members replaced; `undefined` takes one away. */
export function but(provider: TrainingProvider, changes: Methods): TrainingProvider {
  const broken = { ...provider } as Record<string, unknown>;
  for (const [key, change] of Object.entries(changes)) {
    const value = (change as (good: TrainingProvider) => unknown)(provider);
    if (value === undefined) delete broken[key];
    else broken[key] = value;
  }
  return broken as unknown as TrainingProvider;
}

const swap = (changes: Methods) => (provider: TrainingProvider) => but(provider, changes);
const capabilities = (change: object) => swap({ capabilities: (good) => ({ ...good.capabilities, ...change }) });
const offersBut = (change: (offer: Offer, index: number) => Offer | undefined) =>
  swap({
    offers:
      (good): TrainingProvider["offers"] =>
      async (...args) =>
        (await good.offers(...args)).flatMap((offer, index) => change(offer, index) ?? []),
  });
const findBut = (change: (machine: Machine) => Machine | undefined) =>
  swap({
    find:
      (good): TrainingProvider["find"] =>
      async (query) => {
        const listing = await good.find(query);
        return { ...listing, machines: listing.machines.flatMap((machine) => change(machine) ?? []) };
      },
  });
/** Turns errors of one kind into something else. */
const errorsBut = (method: "create" | "terminate" | "find", kinds: string[], instead: (error: unknown) => unknown) =>
  swap({
    [method]:
      (good: TrainingProvider) =>
      async (...args: never[]) => {
        try {
          return await (good[method] as (...given: never[]) => Promise<unknown>)(...args);
        } catch (error) {
          if (!kinds.includes(errorKind(error) ?? "")) throw error;
          const value = instead(error);
          if (value instanceof Error) throw value;
          return value;
        }
      },
  });
const createBut = (change: (intent: Intent, good: TrainingProvider) => ReturnType<TrainingProvider["create"]>) =>
  swap({
    create:
      (good): TrainingProvider["create"] =>
      async (intent) =>
        change(intent, good),
  });
/** A session that does one thing wrong. */
const sessionBut = (change: (session: HostSession) => Partial<HostSession>) =>
  swap({
    connect:
      (good) =>
      async (...args: Parameters<NonNullable<TrainingProvider["connect"]>>) => {
        const session = (await good.connect?.(...args)) as HostSession;
        const own = change(session);
        return new Proxy(session, {
          get: (target, key) => {
            const value: unknown = Reflect.get(key in own ? own : target, key);
            return typeof value === "function" ? (value.bind(key in own ? own : target) as unknown) : value;
          },
        });
      },
  });
const volumesBut = (change: (good: ProviderVolumes) => Partial<ProviderVolumes>) =>
  swap({ volumes: ({ volumes }) => (volumes === undefined ? undefined : { ...volumes, ...change(volumes) }) });
/** What one client made itself; others' machines it does not see. */
function ownEyesOnly(provider: TrainingProvider): TrainingProvider {
  const mine = new Set<string>();
  return but(provider, {
    create:
      (good): TrainingProvider["create"] =>
      async (...args) => {
        const outcome = await good.create(...args);
        if (outcome.kind === "created") for (const machine of outcome.machines) mine.add(machine.ref.id);
        return outcome;
      },
    find:
      (good): TrainingProvider["find"] =>
      async (query) => {
        const listing = await good.find(query);
        return { ...listing, machines: listing.machines.filter((machine) => mine.has(machine.ref.id)) };
      },
  });
}
const SECRET = "sk-conformance-secret";
let counter = 0;
const next = (): number => {
  counter += 1;
  return counter;
};

/** A cloud whose doctor tries every permission, as a good one does. */
function withDoctor(): CloudSubject {
  const subject = cloudSubject();
  let denied: string | undefined;
  return {
    ...subject,
    provider: but(subject.provider, {
      doctor: () => async () =>
        denied === undefined
          ? []
          : [{ id: "permission", severity: "error" as const, what: `The permission ${denied} is missing.`, fix: [`Allow ${denied}.`] }],
    }),
    hooks: {
      ...subject.hooks,
      faults: {
        ...subject.hooks.faults,
        permission: (operation) => {
          denied = operation;
        },
      },
    },
  };
}

/** A cloud that is tagged by a second call, and a client that gives the machine back when that fails. */
const taggedLater = cloud({ tagging: "after-create", requiredTags: [], capabilities: { tagsAtCreate: true } });

export const saboteurs: Saboteur[] = [
  // 1 Manifest
  { id: "manifest-shape", breaks: "a misspelt capability", base: cloud(), client: capabilities({ noticeSecs: 120 }) },
  { id: "manifest-methods", breaks: "stop() without start()", base: cloud(), client: swap({ start: () => undefined }) },
  {
    id: "manifest-spot",
    breaks: "declares spot and sells none",
    base: cloud(),
    client: offersBut((offer) => (offer.market === "spot" ? undefined : offer)),
  },
  {
    id: "manifest-gang",
    breaks: "one machine, told twice",
    base: cloud(),
    client: createBut(async (intent, good) => {
      const outcome = await good.create({ ...intent, nodes: 1 });
      return outcome.kind === "created" ? { ...outcome, machines: [outcome.machines[0], outcome.machines[0]] } : outcome;
    }),
  },
  {
    id: "manifest-no-gang",
    breaks: "makes one node of two without a word",
    base: cloud({ gang: "none" }),
    client: createBut((intent, good) => good.create({ ...intent, nodes: 1 })),
  },
  {
    id: "manifest-multi-pool",
    breaks: "buys in every pool that is named",
    base: cloud(),
    client: createBut(async (intent, good) => {
      const outcomes = [];
      for (const offer of intent.offers)
        outcomes.push(await good.create({ ...intent, id: `${intent.id}${offer.id.length}${next()}`, offers: [offer] }));
      return outcomes[0] as Awaited<ReturnType<TrainingProvider["create"]>>;
    }),
  },
  {
    id: "manifest-no-volumes",
    breaks: "leaves volumes out without a word",
    base: onThisComputer,
    client: createBut((intent, good) => good.create({ ...intent, volumes: [] })),
  },
  {
    id: "manifest-self-terminate",
    breaks: "a powered-off machine goes on",
    base: cloud(),
    subject: (subject) => ({ ...subject, hooks: { ...subject.hooks, endFromInside: () => undefined } }),
  },
  {
    id: "manifest-undeclared",
    breaks: "sells spot and does not declare it",
    base: cloud(),
    client: capabilities({ spot: false }),
    after: ["price-offers"],
  },
  // 2 Lifecycle
  {
    id: "lifecycle-create-twice",
    breaks: "a new token for each call",
    base: cloud(),
    client: createBut((intent, good) => good.create({ ...intent, id: `${intent.id.slice(0, 8)}${next()}` })),
  },
  {
    id: "lifecycle-duplicates-found",
    breaks: "shows the first machine of an intent only",
    base: cloud({ class: "B" }),
    client: swap({
      find:
        (good): TrainingProvider["find"] =>
        async (query) => {
          const listing = await good.find(query);
          return query.intentId === undefined ? listing : { ...listing, machines: listing.machines.slice(0, 1) };
        },
    }),
  },
  {
    id: "lifecycle-create-changed",
    breaks: "answers a conflict of tokens with a new token",
    base: cloud(),
    client: createBut((intent, good) =>
      good.create(intent).catch(() => good.create({ ...intent, id: `${intent.id.slice(0, 8)}${next()}` })),
    ),
  },
  {
    id: "lifecycle-tags",
    breaks: "takes its own tags only",
    base: cloud(),
    client: createBut((intent, good) =>
      good.create({ ...intent, tags: Object.fromEntries(Object.entries(intent.tags).filter(([key]) => /^(runctl:|CreatedBy)/.test(key))) }),
    ),
  },
  {
    id: "lifecycle-runs",
    breaks: "does not say when it was launched",
    base: cloud(),
    client: findBut(({ createdAt: _, ...machine }) => machine),
  },
  {
    id: "lifecycle-terminate-twice",
    breaks: "the second terminate is an error",
    base: cloud(),
    client: (provider) => {
      const done = new Set<string>();
      return but(provider, {
        terminate:
          (good): TrainingProvider["terminate"] =>
          async (ref) => {
            if (done.has(ref.id)) throw new NotFoundError({ what: `No machine ${ref.id}.` });
            done.add(ref.id);
            await good.terminate(ref);
          },
      });
    },
  },
  {
    id: "lifecycle-remove-twice",
    breaks: "remove of what is gone is an error",
    base: cloud(),
    client: swap({ remove: () => async (ref: { id: string }) => Promise.reject(new NotFoundError({ what: `No ${ref.id}.` })) }),
  },
  { id: "lifecycle-gone", breaks: "tags what is gone", base: cloud(), client: swap({ tag: () => async () => undefined }) },
  { id: "lifecycle-stop-start", breaks: "stop ends the machine", base: cloud(), client: swap({ stop: (good) => good.terminate }) },
  {
    id: "lifecycle-terminate-stopped",
    breaks: "a stopped machine is not terminated",
    base: cloud(),
    client: swap({
      terminate:
        (good): TrainingProvider["terminate"] =>
        async (ref) => {
          const [machine] = (await good.find({ ids: [ref.id] })).machines;
          if (machine?.state !== "stopped") await good.terminate(ref);
        },
    }),
  },
  {
    id: "lifecycle-tag-later",
    breaks: "tag() replaces all tags",
    base: cloud(),
    client: (provider) => {
      const written = new Map<string, Record<string, string>>();
      return but(findBut((machine) => ({ ...machine, tags: written.get(machine.ref.id) ?? machine.tags }))(provider), {
        tag: () => async (ref: { id: string }, tags: Record<string, string>) => void written.set(ref.id, tags),
      });
    },
  },
  {
    id: "lifecycle-identity",
    breaks: "another account each time",
    base: cloud(),
    client: swap({ identity: () => async () => ({ id: `account-${next()}` }) }),
  },
  // 3 Ambiguity
  {
    id: "ambiguity-reply-lost",
    breaks: "calls a lost reply no capacity",
    base: cloud(),
    client: errorsBut("create", ["ambiguous-outcome"], () => new NoCapacityError({ what: "None." })),
  },
  {
    id: "ambiguity-error-after",
    breaks: "calls a server error an invalid request",
    base: cloud(),
    client: errorsBut("create", ["ambiguous-outcome"], () => new ValidationError({ what: "HTTP 500." })),
  },
  {
    id: "ambiguity-timeout",
    breaks: "calls a timeout unavailable",
    base: cloud(),
    client: errorsBut("create", ["ambiguous-outcome"], () => ({ kind: "unavailable", pools: [] })),
  },
  {
    id: "ambiguity-lost",
    breaks: "calls a lost request a missing permission",
    base: cloud(),
    client: errorsBut("create", ["ambiguous-outcome"], () => new PermissionError({ what: "No." })),
  },
  {
    id: "ambiguity-terminate",
    breaks: "calls a lost reply not found",
    base: cloud(),
    client: errorsBut("terminate", ["timeout"], () => new NotFoundError({ what: "No such machine." })),
  },
  {
    id: "ambiguity-delete-lies",
    breaks: "believes that what it terminated has ended",
    base: cloud(),
    client: (provider) => {
      const done = new Set<string>();
      return but(findBut((machine) => (done.has(machine.ref.id) ? { ...machine, state: "ended" } : machine))(provider), {
        terminate:
          (good): TrainingProvider["terminate"] =>
          async (ref) => {
            done.add(ref.id);
            await good.terminate(ref);
          },
      });
    },
  },
  // 4 Listing
  {
    id: "listing-queries",
    breaks: "does not look at kinds",
    base: cloud(),
    client: swap({
      find:
        (good): TrainingProvider["find"] =>
        ({ kinds: _, ...query }) =>
          good.find(query),
    }),
  },
  {
    id: "listing-other-state",
    breaks: "does not look at the state id",
    base: cloud(),
    client: swap({
      find:
        (good): TrainingProvider["find"] =>
        ({ stateId: _, ...query }) =>
          good.find(query),
    }),
  },
  {
    id: "listing-foreign",
    breaks: "never shows foreign machines",
    base: cloud(),
    client: swap({
      find:
        (good): TrainingProvider["find"] =>
        ({ includeForeign: _, ...query }) =>
          good.find(query),
    }),
  },
  {
    id: "listing-pages",
    breaks: "reads the first page only",
    base: cloud(),
    client: swap({
      find:
        (good): TrainingProvider["find"] =>
        async (query) => {
          const listing = await good.find(query);
          return { ...listing, machines: listing.machines.slice(0, 4) };
        },
    }),
  },
  {
    id: "listing-lag",
    breaks: "shows a listing that is three minutes old",
    base: cloud(),
    client: (provider, far) => {
      let kept: { at: number; listing: ReturnType<TrainingProvider["find"]> } | undefined;
      void provider.find({});
      return but(provider, {
        find:
          (good): TrainingProvider["find"] =>
          (query) => {
            const now = far.clock?.monotonic() ?? 0;
            if (query.ids !== undefined) return good.find(query);
            if (kept === undefined || now - kept.at > 180_000) kept = { at: now, listing: good.find({}) };
            return kept.listing;
          },
        create:
          (good): TrainingProvider["create"] =>
          async (...args) => {
            kept ??= { at: far.clock?.monotonic() ?? 0, listing: good.find({}) };
            return good.create(...args);
          },
      });
    },
  },
  {
    id: "listing-incomplete",
    breaks: "says complete whatever was read",
    base: cloud(),
    client: swap({
      find:
        (good): TrainingProvider["find"] =>
        async (query) => ({ ...(await good.find(query)), complete: true }),
    }),
  },
  {
    id: "listing-regions",
    breaks: "looks in one region only",
    base: cloud(),
    client: findBut((machine) => (machine.ref.region === "us-test-1" ? machine : undefined)),
  },
  {
    id: "listing-partition",
    breaks: "nothing seen is nothing there",
    base: cloud(),
    client: errorsBut("find", ["timeout", "ambiguous-outcome", "host-unreachable"], () => ({ machines: [], others: [], complete: true })),
  },
  // 5 Access
  {
    id: "access-throttled",
    breaks: "calls throttling a quota",
    base: cloud(),
    client: errorsBut("create", ["throttled"], () => new QuotaError({ what: "Too many." })),
  },
  {
    id: "access-retry-after",
    breaks: "forgets how long to wait",
    base: cloud(),
    client: errorsBut("create", ["throttled"], () => new ThrottledError({ what: "Too many." })),
  },
  {
    id: "access-expired",
    breaks: "never tries again once its credentials have expired",
    base: cloud(),
    client: (provider) => {
      let expired = false;
      return but(
        errorsBut("find", ["authentication"], (error) => {
          expired = true;
          return error;
        })(provider),
        {
          terminate:
            (good): TrainingProvider["terminate"] =>
            async (ref) => {
              if (expired) throw new AuthenticationError({ what: "The credentials have expired." });
              await good.terminate(ref);
            },
        },
      );
    },
  },
  {
    id: "access-permission",
    breaks: "takes a missing permission for success",
    base: cloud(),
    client: errorsBut("terminate", ["permission"], () => undefined),
  },
  {
    id: "access-permission-named",
    breaks: "does not name the permission",
    base: cloud(),
    client: errorsBut("create", ["permission"], () => new PermissionError({ what: "Not allowed." })),
  },
  { id: "access-doctor", breaks: "a doctor that looks at nothing", base: withDoctor, client: swap({ doctor: () => async () => [] }) },
  // 6 Errors
  {
    id: "errors-capacity",
    breaks: "calls a lack of machines an invalid request",
    base: cloud(),
    client: swap({
      create:
        (good): TrainingProvider["create"] =>
        async (...args) => {
          const outcome = await good.create(...args);
          if (outcome.kind === "unavailable") throw new ValidationError({ what: "No such machine now." });
          return outcome;
        },
    }),
  },
  {
    id: "errors-quota",
    breaks: "calls a quota a lack of machines",
    base: cloud(),
    client: errorsBut("create", ["quota"], () => new NoCapacityError({ what: "None." })),
  },
  { id: "errors-invalid-options", breaks: "takes any option", base: cloud(), client: swap({ validateOptions: () => () => undefined }) },
  {
    id: "errors-unknown-offer",
    breaks: "buys something else when the offer does not exist",
    base: cloud(),
    client: createBut((intent, good) =>
      good.create(intent).catch(async () => good.create({ ...intent, offers: [(await good.offers({}))[0] as Offer] })),
    ),
  },
  {
    id: "errors-foreign-ref",
    breaks: "looks at the id of a ref only",
    base: onThisComputer,
    client: swap({
      terminate:
        (good): TrainingProvider["terminate"] =>
        (ref) =>
          good.terminate({ ...ref, provider: good.name, kind: "machine" }),
    }),
  },
  {
    id: "errors-preempted",
    breaks: "does not say why a machine ended",
    base: cloud(),
    client: findBut(({ stateReason: _, ...machine }) => machine),
  },
  {
    id: "errors-cause",
    breaks: "drops what the far side said",
    base: cloud(),
    client: errorsBut("create", ["ambiguous-outcome"], () => new AmbiguousOutcomeError({ what: "Unknown." })),
  },
  {
    id: "errors-typed",
    breaks: "throws a raw error",
    base: cloud(),
    client: errorsBut("find", ["timeout", "ambiguous-outcome"], () => new Error("ECONNRESET")),
    after: ["listing-partition"],
  },
  {
    id: "errors-secrets",
    breaks: "quotes the key in an error",
    base: cloud(),
    client: errorsBut("find", ["authentication"], () => new AuthenticationError({ what: `The key ${SECRET} has expired.` })),
    after: ["access-expired"],
  },
  // 7 Spot
  {
    id: "spot-market",
    breaks: "buys on demand instead",
    base: cloud(),
    client: createBut(async (intent, good) =>
      good.create({ ...intent, offers: [(await good.offers({ markets: ["on-demand"] }))[0] as Offer] }),
    ),
  },
  { id: "spot-notice", breaks: "keeps notices to itself", base: cloud(), client: swap({ notices: () => async () => undefined }) },
  {
    id: "spot-no-notice",
    breaks: "shows a machine that was taken away as running",
    base: cloud(),
    client: findBut((machine) => (machine.state === "ended" || machine.state === "ending" ? { ...machine, state: "running" } : machine)),
  },
  {
    id: "spot-rebalance",
    breaks: "calls a hint an interruption",
    base: cloud(),
    client: swap({
      notices: (good) => async (machine: Machine) => {
        const notice = await good.notices?.(machine);
        return notice === undefined ? undefined : { ...notice, action: "terminate" as const };
      },
    }),
  },
  {
    id: "spot-stop-resume",
    breaks: "does not start what the market stopped",
    base: cloud(),
    client: swap({ start: () => async () => undefined }),
  },
  // 8 Volumes
  {
    id: "volumes-create-twice",
    breaks: "a new volume for each call",
    base: cloud(),
    client: volumesBut((good) => ({ create: (request) => good.create({ ...request, intentId: `${request.intentId}${next()}` }) })),
  },
  {
    id: "volumes-delete-twice",
    breaks: "the second delete is an error",
    base: cloud(),
    client: (provider) => {
      const done = new Set<string>();
      return volumesBut((good) => ({
        delete: async (ref) => {
          if (done.has(ref.id)) throw new NotFoundError({ what: `No volume ${ref.id}.` });
          done.add(ref.id);
          await good.delete(ref);
        },
      }))(provider);
    },
  },
  {
    id: "volumes-attach",
    breaks: "does not say where a volume is",
    base: cloud(),
    client: volumesBut((good) => ({ list: async (query) => (await good.list(query)).map(({ attachedTo: _, ...volume }) => volume) })),
  },
  {
    id: "volumes-busy",
    breaks: "takes a volume from the machine that has it",
    base: cloud(),
    client: volumesBut((good) => ({
      attach: (volume, machine) =>
        good.attach(volume, machine).catch(async () => good.detach(volume, { force: true }).then(() => good.attach(volume, machine))),
    })),
  },
  {
    id: "volumes-wrong-zone",
    breaks: "says yes across zones",
    base: cloud(),
    client: volumesBut((good) => ({ attach: (volume, machine) => good.attach(volume, machine).catch(() => undefined) })),
  },
  {
    id: "volumes-detach-stuck",
    breaks: "believes that a stuck volume is free",
    base: cloud(),
    client: (provider) => {
      const freed = new Set<string>();
      return volumesBut((good) => ({
        detach: async (ref) => {
          await good.detach(ref).catch(() => undefined);
          freed.add(ref.id);
        },
        list: async (query) =>
          (await good.list(query)).map((volume) => (freed.has(volume.ref.id) ? { ...volume, state: "available" as const } : volume)),
      }))(provider);
    },
  },
  {
    id: "volumes-survive",
    breaks: "deletes the volumes of a machine with it",
    base: cloud(),
    client: swap({
      terminate:
        (good): TrainingProvider["terminate"] =>
        async (ref) => {
          for (const volume of (await good.volumes?.list({})) ?? [])
            if (volume.attachedTo?.id === ref.id) {
              await good.volumes?.detach(volume.ref, { force: true });
              await good.volumes?.delete(volume.ref);
            }
          await good.terminate(ref);
        },
    }),
  },
  {
    id: "volumes-at-create",
    breaks: "leaves the volumes of an intent out",
    base: cloud(),
    client: createBut((intent, good) => good.create({ ...intent, volumes: [] })),
  },
  {
    id: "volumes-snapshot",
    breaks: "makes snapshots without tags",
    base: cloud(),
    client: volumesBut((good) => ({
      snapshots: async (query) => ((await good.snapshots?.(query)) ?? []).filter(() => query.stateId === undefined),
    })),
  },
  // 9 Price
  { id: "price-offers", breaks: "prices without a source", base: cloud(), client: offersBut(({ price: _, ...offer }) => offer) },
  {
    id: "price-stable-ids",
    breaks: "new ids each time",
    base: cloud(),
    client: offersBut((offer) => ({ ...offer, id: `${offer.id}-${next()}` })),
  },
  {
    id: "price-requests",
    breaks: "does not look at the type",
    base: cloud(),
    client: swap({
      offers:
        (good): TrainingProvider["offers"] =>
        ({ instanceTypes: _, ...request }, ...rest) =>
          good.offers(request, ...rest),
    }),
  },
  {
    id: "price-costs",
    breaks: "goes on counting when the machine is gone",
    base: cloud(),
    client: swap({
      costs: () => async (_machine: Machine, from: string, to: string) => [
        { from, to, what: "compute" as const, pricePerHour: { amount: 1, currency: "USD" }, evidence: "inferred" as const },
      ],
    }),
  },
  {
    id: "price-invoice",
    breaks: "bills half of it",
    base: cloud(),
    client: swap({
      costs:
        (good) =>
        async (...args: Parameters<TrainingProvider["costs"]>) =>
          (await good.costs(...args)).map((interval) => ({
            ...interval,
            pricePerHour: { ...interval.pricePerHour, amount: interval.pricePerHour.amount / 2 },
          })),
    }),
  },
  // 10 Interrupted work
  {
    id: "abort-before",
    breaks: "does not look at the signal",
    base: cloud(),
    client: swap({
      create:
        (good): TrainingProvider["create"] =>
        (intent) =>
          good.create(intent),
    }),
  },
  {
    id: "abort-create",
    breaks: "calls an aborted purchase refused, and makes it",
    base: cloud(),
    client: swap({
      create:
        (good): TrainingProvider["create"] =>
        async (intent, options) => {
          const outcome = await good.create(intent);
          if (options?.signal?.aborted === true) throw new ConflictError({ what: "Aborted." });
          return outcome;
        },
    }),
  },
  {
    id: "abort-others",
    breaks: "throws its own words when it is aborted",
    base: cloud({ latencyMs: 40 }),
    client: swap({
      find:
        (good): TrainingProvider["find"] =>
        (query) =>
          good
            .find(query)
            .catch((error: unknown) => Promise.reject(query.signal?.aborted === true ? new Error("The operation was aborted.") : error)),
    }),
  },
  {
    id: "crash-volumes",
    breaks: "tokens for volumes that another process does not know",
    base: cloud(),
    client: (provider) => {
      const own = next();
      return volumesBut((good) => ({ create: (request) => good.create({ ...request, intentId: `${request.intentId}${own}` }) }))(provider);
    },
  },
  { id: "crash-create", breaks: "finds only what this process made", base: cloud(), client: ownEyesOnly },
  {
    id: "crash-each",
    breaks: "stop of a stopped machine is an error",
    base: cloud(),
    client: swap({
      stop: (good) => async (ref: Machine["ref"]) => {
        const [machine] = (await good.find({ ids: [ref.id] })).machines;
        if (machine?.state !== "running") throw new ConflictError({ what: `It is ${machine?.state}.` });
        await good.stop?.(ref);
      },
    }),
  },
  {
    id: "two-clients-create",
    breaks: "tokens that another process does not know",
    base: cloud(),
    client: (provider) => {
      const own = next();
      return createBut((intent, good) => good.create({ ...intent, id: `${intent.id.slice(0, 12)}${own}` }))(provider);
    },
  },
  { id: "two-clients-view", breaks: "shows only what this process made", base: cloud(), client: ownEyesOnly },
  {
    id: "crash-tags",
    breaks: "keeps a machine that could not be tagged",
    base: taggedLater,
    client: swap({
      create:
        (good): TrainingProvider["create"] =>
        async (intent) => {
          const outcome = await good.create({ ...intent, tags: {} });
          if (outcome.kind === "created") for (const machine of outcome.machines) await good.tag?.(machine.ref, intent.tags);
          return outcome;
        },
    }),
    subject: (subject) => ({
      ...subject,
      hooks: {
        ...subject.hooks,
        faults: {
          tagFailure: () => (subject as CloudSubject).cloud.faults.next("tag", undefined, "down"),
        },
      },
    }),
  },
  // 11 Commands and files
  {
    id: "session-exit-codes",
    breaks: "any failure is 1",
    base: onThisComputer,
    client: sessionBut((good) => ({
      exec: async (...args) => {
        const result = await good.exec(...args);
        return { ...result, exitCode: result.exitCode === 0 ? 0 : 1 };
      },
    })),
  },
  {
    id: "session-argv",
    breaks: "a shell in between",
    base: onThisComputer,
    client: sessionBut((good) => ({ exec: (argv, options) => good.exec(["sh", "-c", `'${argv.join("' '")}'`], options) })),
  },
  {
    id: "session-stdin-env-cwd",
    breaks: "forgets the standard input",
    base: onThisComputer,
    client: sessionBut((good) => ({ exec: (argv, { stdin: _, ...options } = {}) => good.exec(argv, options) })),
  },
  {
    id: "session-burst",
    breaks: "keeps the first megabyte",
    base: onThisComputer,
    client: sessionBut((good) => ({
      exec: async (...args) => {
        const result = await good.exec(...args);
        return { ...result, stdout: result.stdout.slice(0, 1_000_000) };
      },
    })),
  },
  {
    id: "session-utf8",
    breaks: "decodes each chunk alone",
    base: onThisComputer,
    client: sessionBut((good) => ({
      exec: async (...args) => {
        const result = await good.exec(...args);
        const bytes = Buffer.from(result.stdout);
        let stdout = "";
        for (let at = 0; at < bytes.length; at += 65_536) stdout += bytes.subarray(at, at + 65_536).toString("utf8");
        return { ...result, stdout };
      },
    })),
  },
  {
    id: "session-read",
    breaks: "a missing file is an empty one",
    base: onThisComputer,
    client: sessionBut((good) => ({ read: async (...args) => (await good.read(...args)) ?? new Uint8Array() })),
  },
  {
    id: "session-write",
    breaks: "writes over the beginning of an old file",
    base: onThisComputer,
    client: sessionBut((good) => ({
      write: async (path, data, options) => {
        const old = (await good.read(path, 0)) ?? new Uint8Array();
        const fresh = Buffer.from(data as string);
        await good.write(path, Buffer.concat([fresh, Buffer.from(old).subarray(fresh.length)]), options);
      },
    })),
  },
  {
    id: "session-copy",
    breaks: "leaves empty files out",
    base: onThisComputer,
    client: sessionBut((good) => ({
      upload: async (from, to, options) => {
        await good.upload(from, to, options);
        await good.exec(["find", `${good.home}/${to}`, "-type", "f", "-empty", "-delete"]);
      },
    })),
  },
  {
    id: "session-upload-resumed",
    breaks: "takes a part for the whole",
    base: onThisComputer,
    client: sessionBut((good) => ({
      upload: async (from, to, options) => {
        if ((await good.exec(["test", "-e", `${good.home}/${to}`])).exitCode === 0) return;
        await good.exec(["mkdir", "-p", `${good.home}/${to}`]);
        await good.upload(from, to, options);
      },
    })),
  },
  {
    id: "session-timeout",
    breaks: "leaves the command running when its caller gives up",
    base: onThisComputer,
    client: sessionBut((good) => ({
      exec: (argv, { signal, ...options } = {}) =>
        Promise.race([
          good.exec(argv, options),
          new Promise<never>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason), { once: true })),
        ]),
    })),
  },
  {
    id: "session-closed",
    breaks: "goes on after close",
    base: onThisComputer,
    client: sessionBut(() => ({ close: async () => undefined })),
  },
  // 12 Hygiene
  {
    id: "hygiene-handles",
    breaks: "an interval for each machine",
    base: cloud(),
    client: (provider) => {
      const intervals: NodeJS.Timeout[] = [];
      return createBut((intent, good) => {
        intervals.push(setInterval(() => undefined, 60_000));
        leaks.push(() => intervals.splice(0).forEach(clearInterval));
        return good.create(intent);
      })(provider);
    },
  },
  {
    id: "hygiene-handles",
    breaks: "a port that stays open",
    base: cloud(),
    client: createBut((intent, good) => {
      const server = createServer().listen(0, "127.0.0.1");
      leaks.push(() => server.close());
      return good.create(intent);
    }),
  },
  {
    id: "hygiene-globals",
    breaks: "writes into the environment",
    base: cloud(),
    client: createBut((intent, good) => {
      process.env.RUNCTL_SABOTEUR = intent.id;
      leaks.push(() => delete process.env.RUNCTL_SABOTEUR);
      return good.create(intent);
    }),
  },
  {
    id: "hygiene-exit",
    breaks: "ends the process when it is not let in",
    base: cloud(),
    client: errorsBut("find", ["authentication"], () => process.exit(3)),
    after: ["access-expired"],
  },
  // 13 Recorded
  {
    id: "recorded-playback",
    breaks: "shows its key in the address of a machine",
    base: cloud(),
    client: findBut((machine) => ({ ...machine, address: { note: SECRET } })),
  },
  { id: "recorded-drift", breaks: "machines without a zone", base: cloud(), client: findBut(({ zone: _, ...machine }) => machine) },
];

/** What saboteurs left in this process; called after each. */
export const leaks: Array<() => unknown> = [];
