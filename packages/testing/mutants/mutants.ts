import type { Hunt, Mutant } from "./mutant.ts";

const create: Hunt = { scenario: "on-demand", die: { at: /^provider\.create/, variants: ["applied", "late"], atMost: 4 }, mostMachines: 1 };

/** The deliberate faults. Each must break a promise in its hunt; the sources as they are must break none. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: "intent-after-purchase",
    fault: "The machine is bought before the intent to buy it is written down.",
    edits: [
      {
        file: "core/src/engine/execute-buy.ts",
        find: "  driver.recordedHere.add(intent.id);\n",
        replace: "  driver.recordedHere.add(intent.id);\n  await providers.get(chosen.provider).create(intent);\n",
      },
    ],
    breaks: ["leak", "duplicate", "reported", "unledgered"],
    hunts: [create],
  },
  {
    name: "intent-unsynced",
    fault: "Decisions, the intent to buy among them, are appended without waiting for the disk.",
    edits: [
      {
        file: "core/src/engine/run-driver.ts",
        find: "      if (state.version !== madeAt) throw new StaleDecision();\n      return events;\n    }, true);",
        replace: "      if (state.version !== madeAt) throw new StaleDecision();\n      return events;\n    }, false);",
      },
    ],
    breaks: ["leak", "duplicate", "reported", "unledgered"],
    hunts: [create],
  },
  {
    name: "new-token-each-send",
    fault: "A purchase is sent under a token that was not persisted.",
    edits: [
      {
        file: "core/src/purchase/perform-create.ts",
        find: "provider.create(intent, { signal: options.signal })",
        replace: "provider.create({ ...intent, id: intent.id + send, name: intent.name + send }, { signal: options.signal })",
      },
    ],
    breaks: ["leak", "duplicate", "reported", "unledgered"],
    hunts: [{ scenario: "on-demand", faults: { like: /^create: (reply-lost|late|raw-after)/, atMost: 4 }, mostMachines: 1 }],
  },
  {
    name: "state-tag-left-out",
    fault: "Machines are made without the tag that says whose they are.",
    edits: [{ file: "core/src/engine/execute-buy.ts", find: "      [TAGS.state]: context.stateId,\n", replace: "" }],
    breaks: ["leak", "foreign-touched", "outcome", "stuck", "reported"],
    hunts: [{ scenario: "no-tag-policy" }],
  },
  {
    name: "list-lag-believed",
    fault: "A machine that two listings do not show yet is taken for gone.",
    edits: [
      {
        file: "core/src/engine/machine-sight.ts",
        find: "if (!listing.complete || !settled) return false;",
        replace: "if (!listing.complete) return false;",
      },
    ],
    breaks: ["trained-twice", "leak", "ledger", "outcome", "duplicate", "foreign-touched"],
    hunts: [{ scenario: "lagging" }],
  },
  {
    name: "absence-believed-after-create",
    fault: "A purchase with an unknown outcome counts as not made when the next listing does not show it.",
    edits: [
      {
        file: "core/src/purchase/find-purchase.ts",
        find: "if (result.complete && at >= settle) absences++;",
        replace: "if (result.complete) absences += 2;",
      },
      {
        file: "core/src/engine/execute-create.ts",
        find: "if (settled && listing.complete) absent += 1;",
        replace: "if (listing !== undefined && (settled || listing.complete)) absent += 1;",
      },
    ],
    breaks: ["duplicate", "leak"],
    hunts: [
      {
        scenario: "lagging",
        providerClass: "B",
        die: { at: /^provider\.create/, variants: ["applied"], atMost: 2 },
        mostMachines: 1,
      },
    ],
  },
  {
    name: "incomplete-listing-believed",
    fault: "A listing that says that a part of it is missing counts as a whole one.",
    edits: [
      {
        file: "core/src/engine/machine-sight.ts",
        find: "if (!listing.complete || !settled) return false;",
        replace: "if (!settled) return false;",
      },
      { file: "core/src/engine/machine-sight.ts", find: "if (absent < ABSENCES) return false;", replace: "" },
    ],
    breaks: ["trained-twice", "leak", "ledger", "outcome"],
    hunts: [{ scenario: "on-demand", faults: { like: /^find: incomplete, [2-9]/, atMost: 4 } }],
  },
  {
    name: "delete-believed",
    fault: "A machine counts as ended as soon as the provider has accepted the call.",
    edits: [
      {
        file: "core/src/engine/execute-machine.ts",
        find: "  const poller = pollers.of(provider.name);\n",
        replace:
          '  if (action === "terminate") return driver.fact({ type: "machine-ended", machineId, endedAt: new Date(clock.now()).toISOString(), evidence: "observed", reason: undefined });\n  const poller = pollers.of(provider.name);\n',
      },
    ],
    breaks: ["leak", "ledger"],
    hunts: [{ scenario: "on-demand", faults: { like: /^terminate: (lie|lost)/, atMost: 4 } }],
  },
  {
    name: "ambiguous-create-is-failed",
    fault: "A create call without an answer counts as failed, and another machine is bought under a new token.",
    edits: [
      {
        file: "core/src/purchase/perform-create.ts",
        find: "      unknown = seen;\n",
        replace: '      return { type: "unavailable", pools: [], sweep: false };\n',
      },
    ],
    breaks: ["duplicate", "leak"],
    hunts: [{ scenario: "on-demand", faults: { like: /^create: (reply-lost|late|raw-after)/, atMost: 6 }, mostMachines: 1 }],
  },
  {
    name: "reconcile-ends-others",
    fault: "Reconcile ends what was made by runctl, whoever's it is.",
    edits: [
      {
        file: "core/src/engine/reconcile.ts",
        find: "machine.tags[TAGS.state] !== context.stateId",
        replace: 'machine.tags[TAGS.createdBy] !== "runctl"',
      },
      {
        file: "core/src/engine/reconcile.ts",
        find: '  if (state === undefined) return unknownRun(id, runId, "this state has no such run");',
        replace: '  if (state === undefined) return "unwanted";',
      },
    ],
    breaks: ["foreign-touched"],
    hunts: [create],
  },
  {
    name: "allowance-not-given",
    fault: "The host is not told how long its budget lasts.",
    edits: [
      {
        file: "core/src/engine/attempt-file.ts",
        find: "allowance: { seq: 1, ...limits.allowance },",
        replace: "allowance: { seq: 1, seconds: null, hardSeconds: 604_800 },",
      },
    ],
    breaks: ["budget"],
    hunts: [{ scenario: "budget-stop", mostUsd: 3.52 }],
  },
  {
    name: "budget-read-late",
    fault: "What earlier attempts have spent is looked at only when everything is over, not when the next attempt gets its allowance.",
    edits: [
      {
        file: "core/src/engine/execute-plan.ts",
        find: "rooms.push(spec.budget.maxCost - spentAtMostUsd(state, now));",
        replace: "rooms.push(spec.budget.maxCost);",
      },
    ],
    breaks: ["budget"],
    hunts: [{ scenario: "budget-on-spot", mostUsd: 6.03 }],
  },
  {
    name: "guard-not-armed",
    fault: "The host is given no means to end its own machine.",
    edits: [
      { file: "core/src/engine/attempt-file.ts", find: "      stop: hooks?.stop ?? null,\n", replace: "      stop: null,\n" },
      { file: "core/src/engine/attempt-file.ts", find: "terminate: hooks?.terminate ?? null,", replace: "terminate: null," },
    ],
    breaks: ["leak"],
    hunts: [{ scenario: "on-demand", die: { at: /^host\.start/, variants: ["applied"], atMost: 6 }, steps: [{ do: "abandon" }] }],
  },
  {
    name: "resume-forgotten",
    fault: "The next attempt begins at step 0 though a good checkpoint is there.",
    edits: [
      {
        file: "core/src/engine/attempt-file.ts",
        find: 'record.resume.length > 0 ? "fixed" : "auto"',
        replace: '"never"',
      },
    ],
    breaks: ["checkpoint-lost"],
    hunts: [{ scenario: "spot-twice" }],
  },
  {
    name: "newest-checkpoint-pruned",
    fault: "Retention counts from the wrong end: the newest checkpoints are removed and the oldest stay.",
    edits: [
      { file: "core/src/checkpoint/retention.ts", find: 'if (newest !== undefined) stay(newest.id, "the newest");', replace: "" },
      {
        file: "core/src/checkpoint/retention.ts",
        find: 'if (verified !== undefined) stay(verified.id, "the newest verified");',
        replace: "",
      },
      {
        file: "core/src/checkpoint/retention.ts",
        find: "good.slice(0, Math.max(0, rules.last ?? DEFAULT_LAST))",
        replace: "good.slice(-(rules.last ?? DEFAULT_LAST))",
      },
      { file: "core/src/checkpoint/prune-published.ts", find: "if (isBase || isLatest)", replace: "if (isBase && isLatest)" },
    ],
    breaks: ["checkpoint-lost", "outcome"],
    hunts: [{ scenario: "keep-two" }],
  },
  {
    name: "lease-ignored",
    fault: "A controller drives a run whatever lease another one holds, and appends decisions that were made on an older log.",
    edits: [
      {
        file: "core/src/engine/lease-watch.ts",
        find: 'if (lease === this.#self) return "mine";',
        replace: 'if (lease === this.#self) return "mine";\n    if (lease !== undefined) return "free";',
      },
      {
        file: "core/src/engine/log-writer.ts",
        find: "if (this.#state.lease !== this.#context.session.id) {",
        replace: "if (this.#state.lease === null) {",
      },
      { file: "core/src/engine/run-driver.ts", find: "      if (state.version !== madeAt) throw new StaleDecision();\n", replace: "" },
    ],
    breaks: ["duplicate", "leak", "trained-twice", "outcome", "stuck"],
    hunts: [{ scenario: "slow-cloud", die: { at: /./, variants: ["never"], atMost: 40 }, sleepBeside: 0 }],
  },
  {
    name: "cost-ends-at-notice",
    fault: "The ledger closes a machine's cost at the notice of its end, not at its end.",
    edits: [
      {
        file: "core/src/engine/machine-sight.ts",
        find: 'seen.endedAt ?? isoNow(driver.context.clock), "observed"',
        replace: 'new Date(Date.parse(seen.endedAt ?? isoNow(driver.context.clock)) - 30_000).toISOString(), "observed"',
      },
      {
        file: "core/src/engine/bill-machine.ts",
        find: "      segments = intervals\n",
        replace: "      segments = intervals.slice(0, 0)\n",
      },
    ],
    breaks: ["ledger"],
    hunts: [{ scenario: "spot-twice" }],
  },
  {
    name: "protection-ignored",
    fault: "Cleanup deletes what is protected.",
    edits: [
      {
        file: "core/src/cleanup/rule-protection.ts",
        find: "if (facts.absent && facts.deleting) return undefined;",
        replace: "if (facts.now > 0) return undefined;",
      },
    ],
    breaks: ["outcome"],
    hunts: [{ scenario: "cleanup-apply" }],
  },
];
