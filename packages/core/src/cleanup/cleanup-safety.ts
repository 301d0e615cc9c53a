import type { ResourceRecord } from "../cost/resource-record.ts";
import { CleanupRefusedError, NotFoundError, UnsupportedCapabilityError } from "../errors/kinds.ts";
import type { Notice } from "../provider/plan.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import { formatRef, type Machine, parseRef, type ResourceRef } from "../provider/resource.ts";
import { TAGS } from "../provider/tags.ts";
import { formatDuration } from "../spec/units.ts";
import { findById } from "../tracker/find-resource.ts";
import { ResourceLog } from "../tracker/resource-log.ts";
import { isoNow } from "../util/clock.ts";
import { blastRadius } from "./blast-radius.ts";
import type { CleanupDeps } from "./cleanup-deps.ts";
import { type CleanupItem, type CleanupPlan, type CleanupReport, type CleanupScope, checkPlan } from "./cleanup-plan.ts";
import { type CleanupRules, type ResolvedRules, resolveRules } from "./cleanup-rules.ts";
import { deleteResource } from "./delete-resource.ts";
import { deletionWaves } from "./deletion-order.ts";
import type { CleanupFacts } from "./facts.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { accountOf, gatherFacts, type OwnKnowledge, readOwnKnowledge, type Seen } from "./gather-facts.ts";
import { nextStep } from "./grace.ts";
import { judge } from "./judge.ts";
import { setProtection } from "./protections.ts";
import { ageOf } from "./rule-age.ts";
import { type Veto, veto } from "./veto.ts";

interface Judged {
  facts: CleanupFacts;
  vetoes: Veto[];
}

/**
 * Deletes only what is ours, known, unprotected, idle, old enough and left by its driver, and only by a plan that was looked at.
 * Everything is judged on tags read from the provider at that moment, so that a fresh process judges like an old one.
 */
export class CleanupSafety {
  readonly #deps: CleanupDeps;
  readonly #log: ResourceLog;
  readonly #work = new Set<Promise<unknown>>();

  /** Touches neither network nor disk. */
  constructor(deps: CleanupDeps) {
    this.#deps = deps;
    this.#log = new ResourceLog(deps.state, deps.clock, deps.session ?? "cleanup");
  }

  /**
   * Protects a thing of ours here and at the provider (tag runctl:protected=true). Durable here before the provider is asked:
   * when the tag cannot be written this throws, and the thing is protected for this state nevertheless.
   * @throws NotFoundError; CleanupRefusedError for what is not ours.
   */
  async protect(id: string): Promise<{ tagged: boolean }> {
    return this.#setProtection(id, true);
  }

  /** Lifts protect(). The provider's tag first: if that fails, the thing stays protected. */
  async unprotect(id: string): Promise<{ tagged: boolean }> {
    return this.#setProtection(id, false);
  }

  /** Whether this one thing may be deleted by name. `force` overrides age and activity, never protection or ownership. */
  async isSafeToDelete(id: string, options: { force?: boolean | undefined } = {}): Promise<boolean> {
    return (await this.explain(id, options)).safe;
  }

  /** The same with every reason against it. @throws NotFoundError for an id that nobody knows. */
  async explain(
    id: string,
    options: { force?: boolean | undefined; minAge?: number | string | undefined } = {},
  ): Promise<{ safe: boolean; reasons: Veto[] }> {
    const own = await readOwnKnowledge(this.#deps, this.#log);
    const { facts } = await this.#look(own, this.#refOf(own, id));
    const reasons = judge(facts, resolveRules({ force: options.force, minAge: options.minAge }), "explicit");
    if (facts.absent && !facts.deleting) reasons.unshift(notListed(facts.id));
    return { safe: reasons.length === 0, reasons };
  }

  /**
   * Deletes one named thing after the checks of `explain`, without plan, grace or caps: for `machines.terminate` and the like.
   * @throws CleanupRefusedError with the reasons; NotFoundError.
   */
  async deleteOne(
    id: string,
    options: { force?: boolean | undefined; why: string; confirmWithin?: number | string | undefined },
  ): Promise<{ gone: boolean; why: string }> {
    const rules = resolveRules({ force: options.force, confirmWithin: options.confirmWithin });
    const own = await readOwnKnowledge(this.#deps, this.#log);
    const { facts, provider } = await this.#look(own, this.#refOf(own, id));
    const reasons = judge(facts, rules, "explicit");
    // The provider lists it no more: nothing is asked of it, its absence is only confirmed, for what the ledger knows as ours.
    // P-02: listings lag behind creation; until then an absence says nothing.
    const settled = facts.now - Date.parse(facts.record?.createdAt ?? "") >= (provider?.capabilities.settleMs ?? 60_000);
    const vanished = facts.absent && settled && facts.known === "ledger" && !reasons.some((reason) => reason.id.startsWith("account"));
    if (reasons.length > 0 && !vanished) throw refusal(`Deleting ${facts.id} is refused.`, reasons);
    if (provider === undefined) throw new NotFoundError({ what: `The provider ${facts.ref.provider} is not registered here.` });
    return this.#track(this.#delete(own, facts, provider, rules, options.why));
  }

  /**
   * What may go, what is kept and why. Changes nothing. Costs a list call a provider and a usage() a candidate machine.
   * @throws ValidationError for a wrong rule.
   */
  async plan(options: CleanupRules & { scope?: CleanupScope | undefined } = {}): Promise<CleanupPlan> {
    const { scope = "state", ...given } = options;
    return (await this.#plan(scope, resolveRules(given))).plan;
  }

  /**
   * Carries a plan out. Every item is judged again on fresh facts; what changed since the plan is refused, one by one.
   * Aborting `signal` stops the waiting (rejects with its reason), not the work; `settled()` waits for that.
   * @throws CleanupRefusedError for the whole plan when it is stale, of another state or account, or breaks a cap.
   */
  async apply(plan: CleanupPlan, options: { dryRun?: boolean | undefined; signal?: AbortSignal | undefined } = {}): Promise<CleanupReport> {
    options.signal?.throwIfAborted();
    return abortable(this.#track(this.#apply(checkPlan(plan), options.dryRun ?? false)), options.signal);
  }

  /** Resolves when no deletion of this object is under way any more. */
  async settled(): Promise<void> {
    while (this.#work.size > 0) await Promise.allSettled([...this.#work]);
  }

  async #plan(scope: CleanupScope, rules: ResolvedRules): Promise<{ plan: CleanupPlan; judged: Map<string, Judged>; own: OwnKnowledge }> {
    const deps = this.#deps;
    const own = await readOwnKnowledge(deps, this.#log);
    const judged = new Map<string, Judged>();
    const reported: CleanupPlan["reported"] = [];
    const failures: Notice[] = [];
    const accounts: Record<string, string> = {};
    let ownTotal = 0;
    for (const provider of deps.providers.all()) {
      const account = await accountOf(provider);
      if (account !== undefined) accounts[provider.name] = account;
      const listing = await this.#list(provider, scope, own.stateId, failures);
      if (listing === undefined) continue;
      for (const seen of listing.things) {
        if (seen.tags[TAGS.state] !== own.stateId) {
          if (this.#inScope(seen, scope)) reported.push(reportOf(seen, deps.clock.now()));
          continue;
        }
        if ("state" in seen && seen.state === "ended") continue;
        // Volumes must not make a plan for all machines look like half of everything.
        if ((seen.ref.kind === "machine") === (rules.what === "compute")) ownTotal++;
        const facts = await gatherFacts(deps, own, { ref: seen.ref, seen, absent: false, provider, account });
        judged.set(facts.id, { facts, vetoes: judge(facts, rules, "sweep") });
      }
      // Deletions that an earlier process began and nobody has confirmed.
      for (const [id, stream] of own.byRecord) {
        const { record, tombstone } = stream.state;
        if (record === undefined || tombstone === undefined || stream.ended || record.ref.provider !== provider.name || judged.has(id))
          continue;
        if (!listing.complete) continue;
        const facts = await gatherFacts(deps, own, { ref: record.ref, seen: undefined, absent: true, provider, account });
        judged.set(id, { facts, vetoes: judge(facts, rules, "sweep") });
      }
    }
    const items = deletionWaves(
      [...judged.values()].filter(({ vetoes }) => vetoes.length === 0).map(({ facts }) => itemOf(facts, rules)),
    ).flat();
    const plan: CleanupPlan = {
      v: 1,
      createdAt: isoNow(deps.clock),
      stateId: own.stateId,
      scope,
      rules,
      accounts,
      items,
      kept: [...judged.values()]
        .filter(({ vetoes }) => vetoes.length > 0)
        .map(({ facts, vetoes }) => ({ id: facts.id, name: facts.name, reasons: vetoes })),
      reported,
      ownTotal,
      blocked: blastRadius(items, ownTotal, rules),
      failures,
    };
    return { plan, judged, own };
  }

  async #list(
    provider: TrainingProvider,
    scope: CleanupScope,
    stateId: string,
    failures: Notice[],
  ): Promise<{ things: Seen[]; complete: boolean } | undefined> {
    try {
      const found = await provider.find(scope === "state" ? { stateId } : { includeForeign: true });
      if (!found.complete) failures.push(unasked(provider.name, "Its listing is incomplete."));
      return { things: [...found.machines, ...found.others], complete: found.complete };
    } catch (error) {
      failures.push(unasked(provider.name, error instanceof Error ? (error.message.split("\n")[0] ?? "") : "No reason given."));
      return undefined;
    }
  }

  #inScope(seen: Seen, scope: CleanupScope): boolean {
    // P-29: without our own marker a thing is not even reported.
    if (seen.tags[TAGS.state] === undefined || seen.tags[TAGS.createdBy] === undefined) return false;
    if ("state" in seen && seen.state === "ended") return false;
    return (
      scope === "account" || (scope === "project" && this.#deps.project !== undefined && seen.tags[TAGS.project] === this.#deps.project)
    );
  }

  async #apply(plan: CleanupPlan, dryRun: boolean): Promise<CleanupReport> {
    const { clock, providers } = this.#deps;
    const report: CleanupReport = { dryRun, deleted: [], marked: [], pending: [], refused: [], would: [] };
    this.#refuseStale(plan, await this.#deps.state.stateId());
    const fresh = await this.#plan(plan.scope, plan.rules);
    this.#refuseAccount(plan, fresh.plan);
    const items: CleanupItem[] = [];
    for (const item of plan.items) {
      const now = fresh.judged.get(item.id);
      const reasons =
        now === undefined
          ? [notListed(item.id)]
          : now.vetoes.length > 0
            ? now.vetoes
            : fingerprintOf(now.facts) === item.fingerprint
              ? []
              : [changed(item.id)];
      if (now === undefined || reasons.length > 0) report.refused.push({ id: item.id, reasons });
      else {
        // What is deleted is decided by the fresh facts; what the plan only wanted to mark is only marked.
        const step = nextStep(now.facts, plan.rules);
        items.push({ ...itemOf(now.facts, plan.rules), action: item.action === "mark" ? "mark" : step });
      }
    }
    const breaches = blastRadius(items, fresh.plan.ownTotal, plan.rules);
    if (breaches.length > 0) throw refusal("The plan deletes too much at once, so nothing was done.", breaches);
    report.would = items.map(({ id, action }) => ({ id, action }));
    if (dryRun) return report;
    for (const wave of deletionWaves(items)) {
      await Promise.all(
        wave.map(async (item) => {
          const facts = fresh.judged.get(item.id)?.facts;
          const provider = providers.find(item.ref.provider);
          if (facts === undefined || provider === undefined) return;
          const stuck = item.neededBy.filter((id) => report.pending.some((pending) => pending.id === id));
          if (stuck.length > 0) report.pending.push({ id: item.id, why: `It waits for ${stuck.join(", ")}.` });
          else if (item.action === "mark") await this.#mark(item, provider, isoNow(clock), report);
          else {
            const outcome = await this.#delete(fresh.own, facts, provider, plan.rules, item.reason);
            if (outcome.gone) report.deleted.push(item.id);
            else report.pending.push({ id: item.id, why: outcome.why });
          }
        }),
      );
    }
    return report;
  }

  async #mark(item: CleanupItem, provider: TrainingProvider, at: string, report: CleanupReport): Promise<void> {
    try {
      if (provider.tag === undefined)
        throw new UnsupportedCapabilityError({
          what: `${provider.name} cannot write tags.`,
          fix: ["Plan with grace: 0 to delete in one pass."],
        });
      await provider.tag(item.ref, { [TAGS.cleanupMarked]: at });
      report.marked.push(item.id);
    } catch (error) {
      const why = error instanceof Error ? error.message : "No reason given.";
      report.refused.push({ id: item.id, reasons: [veto("mark-failed", `${item.id} could not be marked.`, why, ["Try again."])] });
    }
  }

  async #delete(
    own: OwnKnowledge,
    facts: CleanupFacts,
    provider: TrainingProvider,
    rules: ResolvedRules,
    why: string,
  ): Promise<{ gone: boolean; why: string }> {
    const { clock, onAlarm, onGone, logger } = this.#deps;
    const stream = own.byRecord.get(facts.id);
    const request = {
      provider,
      ref: facts.ref,
      why,
      record: facts.record ?? recordFrom(facts),
      stream,
      confirmWithinMs: rules.confirmWithinMs,
      onlyConfirm: facts.absent,
    };
    let outcome: { gone: true; at: string } | { gone: false; why: string };
    try {
      outcome = await deleteResource(this.#log, clock, request);
    } catch (error) {
      outcome = { gone: false, why: error instanceof Error ? (error.message.split("\n")[0] ?? "") : "No reason given." };
    }
    if (outcome.gone) {
      await onGone?.(facts.ref, outcome.at);
      return { gone: true, why: "" };
    }
    logger?.error?.("deletion not confirmed", { id: facts.id, why: outcome.why });
    try {
      onAlarm?.(alarmOf(facts.id, outcome.why));
    } catch {
      // A throwing listener breaks nothing.
    }
    return outcome;
  }

  async #look(own: OwnKnowledge, ref: ResourceRef): Promise<{ facts: CleanupFacts; provider: TrainingProvider | undefined }> {
    const provider = this.#deps.providers.find(ref.provider);
    const account = await accountOf(provider);
    let seen: Seen | undefined;
    let complete = false;
    try {
      const found = await provider?.find({ ids: [ref.id], kinds: [ref.kind], includeForeign: true });
      const things: Seen[] = [...(found?.machines ?? []), ...(found?.others ?? [])];
      const id = formatRef(ref);
      seen = things.find((thing) => formatRef(thing.ref) === id);
      complete = found?.complete ?? false;
    } catch {
      // Not seen: every rule that needs to see it vetoes.
    }
    return {
      facts: await gatherFacts(this.#deps, own, { ref, seen, absent: seen === undefined && complete, provider, account }),
      provider,
    };
  }

  #refOf(own: OwnKnowledge, id: string): ResourceRef {
    const ref = findById<ResourceRecord>([...own.records.values()], id)?.ref ?? parseRef(id);
    if (ref !== undefined) return ref;
    throw new NotFoundError({
      what: `No resource ${JSON.stringify(id)} is known to this state.`,
      fix: ['Use the text form "provider/region/kind/id".'],
    });
  }

  async #setProtection(id: string, value: boolean): Promise<{ tagged: boolean }> {
    const { state, clock, session = "cleanup" } = this.#deps;
    const own = await readOwnKnowledge(this.#deps, this.#log);
    const ref = this.#refOf(own, id);
    const { facts, provider } = await this.#look(own, ref);
    if (facts.tags !== undefined && facts.tags[TAGS.state] !== own.stateId)
      throw refusal(`${facts.id} is not ours, so its tags are not written.`, [notOurs(facts.id)]);
    if (facts.tags === undefined && facts.record === undefined)
      throw new NotFoundError({ what: `${facts.id} is not in the ledger and the provider does not list it.` });
    const append = { session, at: isoNow(clock) };
    if (value) await setProtection(state, facts.id, true, append);
    const tag = provider?.tag?.bind(provider);
    if (tag !== undefined) await tag(ref, { [TAGS.protected]: String(value) });
    if (!value) await setProtection(state, facts.id, false, append);
    return { tagged: tag !== undefined };
  }

  #refuseStale(plan: CleanupPlan, stateId: string): void {
    if (plan.stateId !== stateId) throw refusal("The plan was made for another state.", [], "Only what carries this state's id is ours.");
    const age = this.#deps.clock.now() - Date.parse(plan.createdAt);
    // A plan from the future is as little to be trusted as an old one.
    if (!(age >= 0 && age <= plan.rules.planValidForMs)) {
      throw refusal(
        "The plan is stale, so nothing was done.",
        [],
        `It is ${formatDuration(Math.abs(age) || 0)} old; plans hold for ${formatDuration(plan.rules.planValidForMs)}.`,
      );
    }
  }

  #refuseAccount(plan: CleanupPlan, fresh: CleanupPlan): void {
    for (const name of new Set(plan.items.map((item) => item.id.split("/")[0] ?? ""))) {
      if (plan.accounts[name] === undefined || plan.accounts[name] !== fresh.accounts[name]) {
        throw refusal(
          `The account of ${name} is not the one of the plan, so nothing was done.`,
          [],
          "Ids mean something in one account only.",
        );
      }
    }
  }

  #track<T>(work: Promise<T>): Promise<T> {
    const entry = work.catch(() => undefined).finally(() => this.#work.delete(entry));
    this.#work.add(entry);
    return work;
  }
}

function itemOf(facts: CleanupFacts, rules: ResolvedRules): CleanupItem {
  const ageMs = ageOf(facts);
  const action = nextStep(facts, rules);
  const reason = facts.deleting
    ? "Its deletion was decided before and is not confirmed."
    : facts.failedCreate
      ? "It comes from a purchase that was given up."
      : facts.driver.runId !== undefined
        ? `Run ${facts.driver.runId} no longer uses it.`
        : "It belongs to no run and is past its time.";
  const evidence = [`state ${facts.state ?? "not listed"}`, `known by ${facts.known}`, facts.driver.why, facts.activity.why];
  return {
    id: facts.id,
    ref: facts.ref,
    name: facts.name,
    action,
    reason,
    ...(ageMs === undefined ? {} : { ageMs }),
    ...(facts.pricePerHour === undefined ? {} : { pricePerHour: facts.pricePerHour }),
    evidence,
    fingerprint: fingerprintOf(facts),
    neededBy: facts.neededBy,
  };
}

function recordFrom(facts: CleanupFacts): ResourceRecord {
  const now = new Date(facts.now).toISOString();
  const tags = facts.tags ?? {};
  return {
    id: facts.id,
    ref: facts.ref,
    name: facts.name,
    state: facts.state ?? "unknown",
    stateId: facts.stateId,
    project: tags[TAGS.project] ?? "unknown",
    user: tags[TAGS.user] ?? "unknown",
    ...(facts.driver.runId === undefined ? {} : { runId: facts.driver.runId }),
    tags,
    createdAt: facts.createdAt ?? now,
    segments: [],
  };
}

function reportOf(seen: Machine | Seen, now: number): CleanupPlan["reported"][number] {
  const age = seen.createdAt === undefined ? Number.NaN : now - Date.parse(seen.createdAt);
  return {
    id: formatRef(seen.ref),
    name: seen.name,
    stateId: seen.tags[TAGS.state] ?? "",
    ...(age >= 0 ? { ageMs: age } : {}),
    ...(seen.pricePerHour === undefined ? {} : { pricePerHour: seen.pricePerHour }),
  };
}

function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

function refusal(what: string, reasons: readonly Notice[], why?: string): CleanupRefusedError {
  return new CleanupRefusedError({
    what,
    why: why ?? reasons.map((reason) => reason.what).join(" "),
    fix: [...new Set(reasons.flatMap((reason) => reason.fix))].concat(reasons.length === 0 ? ["Make a new plan and look at it."] : []),
    context: { reasons: reasons.map((reason) => reason.id) },
  });
}

function notListed(id: string): Veto {
  return veto("not-listed", `${id} is not listed by its provider.`, "Perhaps it is gone, perhaps it cannot be seen now.", [
    "resources.refreshCosts() or reconcile() settles it.",
  ]);
}

function changed(id: string): Veto {
  return veto("changed", `${id} has changed since the plan.`, "A plan holds for what it saw.", ["Make a new plan."]);
}

function notOurs(id: string): Veto {
  return veto("not-ours", `${id} does not carry this state's id.`, "What is not ours is not touched.", [
    "Use the state store that made it.",
  ]);
}

function unasked(provider: string, why: string): Notice {
  return {
    id: "provider-unasked",
    what: `Not everything that ${provider} holds could be listed.`,
    why,
    fix: ["Plan again when it answers."],
  };
}

function alarmOf(id: string, why: string): Notice {
  return {
    id: "deletion-unconfirmed",
    what: `${id} was to be deleted, and the provider does not confirm it.`,
    why,
    fix: ["It still costs money: look at the provider's console.", "cleanup.plan() and apply() go on with it."],
  };
}
