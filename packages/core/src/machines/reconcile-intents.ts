import type { Notice } from "../provider/plan.ts";
import type { FindResult, TrainingProvider } from "../provider/provider.ts";
import { formatRef } from "../provider/resource.ts";
import { isOfIntent } from "../purchase/find-purchase.ts";
import type { LoadedResource } from "../tracker/resource-log.ts";
import { isoNow } from "../util/clock.ts";
import { type CreateContext, endBought, endSurplus } from "./create-machine.ts";
import { decideIntent } from "./decide-intent.ts";
import { machineRecord } from "./machine-record.ts";

/** What became of purchases outside of runs that nobody finished. */
export interface IntentsReport {
  adopted: string[];
  ended: string[];
  /** Intent ids that turned void: swept for 24 h. */
  voided: string[];
  /** Intent ids it is too early to judge. */
  waiting: string[];
  failures: Notice[];
}

/** Ten minutes are more than a create call with all its repeats takes. */
const CREATOR_MS = 10 * 60_000;

/**
 * Brings every purchase outside of runs to an end: adopted, ended, void or waiting. Lists the cloud before it judges the
 * ledger; never buys. Safe to repeat and to run in several processes at once.
 */
export async function reconcileIntents(context: CreateContext): Promise<IntentsReport> {
  const { deps, log } = context;
  const report: IntentsReport = { adopted: [], ended: [], voided: [], waiting: [], failures: [] };
  const stateId = await deps.state.stateId();
  // One listing a provider feeds all of its purchases: a thousand cost what ten cost.
  const listings = new Map<string, Promise<FindResult>>();
  const listing = (provider: TrainingProvider): Promise<FindResult> => {
    const known = listings.get(provider.name) ?? provider.find({ stateId, kinds: ["machine"] });
    listings.set(provider.name, known);
    return known;
  };
  for (const provider of deps.providers.all()) await listing(provider).catch(() => undefined);
  for (const loaded of (await log.all()).resources) {
    const { intent, purchase } = loaded.state;
    if (loaded.ended || intent === undefined || purchase === undefined) continue;
    const provider = deps.providers.find(intent.offers[0].provider);
    if (provider === undefined) continue;
    try {
      const found = await listing(provider);
      const decision = decideIntent(loaded.state, {
        machines: found.machines.filter((machine) => isOfIntent(machine, intent, stateId)),
        complete: found.complete,
        creatorAlive: context.inFlight.has(intent.id) || (await creatorAlive(context, loaded)),
        recordedAt: await recordedAt(context, loaded),
        settleMs: provider.capabilities.settleMs ?? 60_000,
        now: deps.clock.now(),
      });
      const owner = {
        stateId,
        project: loaded.state.project ?? deps.project,
        user: loaded.state.user ?? deps.user,
        now: isoNow(deps.clock),
      };
      if (decision.type === "adopt") {
        const record = machineRecord(decision.machine, intent, owner);
        await log.update(loaded.stream, (fresh) => (fresh.state.purchase === "created" ? [] : [{ type: "purchase-created", record }]));
        report.adopted.push(record.id);
        await endSurplus(context, provider, intent, decision.duplicates);
        report.ended.push(...decision.duplicates.map((machine) => formatRef(machine.ref)));
      } else if (decision.type === "end") {
        for (const machine of decision.machines) {
          if (loaded.state.record?.id === formatRef(machine.ref))
            await endBought(context, provider, intent, machine, "It is past its end.");
          else await endSurplus(context, provider, intent, [machine]);
          report.ended.push(formatRef(machine.ref));
        }
      } else if (decision.type === "void") {
        await log.update(loaded.stream, (fresh) =>
          fresh.state.purchase === "open" ? [{ type: "purchase-void", at: isoNow(deps.clock), why: "Nothing of it was seen." }] : [],
        );
        report.voided.push(intent.id);
      } else if (decision.type === "sweep-done") {
        await log.update(loaded.stream, () => [{ type: "purchase-swept", at: isoNow(deps.clock) }]);
        await log.end(loaded.stream);
      } else if (decision.type === "wait") report.waiting.push(intent.id);
    } catch (error) {
      report.waiting.push(intent.id);
      const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : "";
      report.failures.push({
        id: "intent-unsettled",
        what: `What became of ${intent.name} could not be found out.`,
        why,
        fix: ["Reconcile again when the provider answers."],
      });
    }
  }
  return report;
}

async function creatorAlive({ deps }: CreateContext, loaded: LoadedResource): Promise<boolean> {
  const first = (await deps.state.read(loaded.stream))[0];
  if (first === undefined) return false;
  // This process knows what it is at work on.
  if (first.session === (deps.session ?? "machines") && deps.session !== undefined) return false;
  if (deps.isSessionAlive !== undefined) return deps.isSessionAlive(first.session);
  return deps.clock.now() - Date.parse(first.at) < CREATOR_MS;
}

async function recordedAt({ deps }: CreateContext, loaded: LoadedResource): Promise<number> {
  return Date.parse((await deps.state.read(loaded.stream))[0]?.at ?? "");
}
