import type { Notice } from "../provider/plan.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import type { ResolvedSpec } from "../spec/resolved-spec.ts";
import { formatDuration } from "../spec/units.ts";
import { isSpot } from "./offer-filters.ts";
import type { DropId, RankedOffer } from "./plan-types.ts";
import { refusal } from "./refusals.ts";

/** A bought machine takes minutes to boot, and less than these buys no training at all. This computer is there already. */
const MIN_USEFUL_MS = 5 * 60_000;
const MIN_USEFUL_HERE_MS = 1_000;

const CAPABILITY_DROPS: readonly DropId[] = ["no-stop", "no-containers", "no-volumes", "no-gang"];
/** Reasons that say "not what was asked for" rather than "would do, but". */
const CHOICE_DROPS: readonly DropId[] = ["provider", "instance-type", "region", "zone", "market", "gpu", "cpus", "memory"];

/** Refused: a deadline that is over. */
export function deadlineRefusal(spec: ResolvedSpec, now: number): Notice[] {
  if (spec.deadline === undefined || Date.parse(spec.deadline) > now) return [];
  const ago = formatDuration(Math.floor((now - Date.parse(spec.deadline)) / 1000) * 1000);
  return [
    refusal("deadline-passed", `The deadline ${spec.deadline} passed ${ago} ago.`, "Nothing could be trained before it.", [
      "Set a later deadline.",
    ]),
  ];
}

/** Refused: nothing that fits, with the reason that kept out most. */
export function offerRefusals(
  ranked: readonly RankedOffer[],
  spec: ResolvedSpec,
  failures: readonly Notice[],
  providers: ReadonlyArray<Pick<TrainingProvider, "name" | "capabilities">> = [],
): Notice[] {
  if (ranked.some((entry) => entry.dropped === undefined)) return [];
  const [failure] = failures;
  if (ranked.length === 0 && failure !== undefined) return [...failures];
  const counts = new Map<DropId, RankedOffer[]>();
  for (const entry of ranked)
    if (entry.dropped !== undefined) counts.set(entry.dropped.id, [...(counts.get(entry.dropped.id) ?? []), entry]);
  const nearly = [...counts].filter(([id]) => !CHOICE_DROPS.includes(id));
  const capability = nearly.find(([id]) => CAPABILITY_DROPS.includes(id));
  if (capability !== undefined && nearly.every(([id]) => CAPABILITY_DROPS.includes(id))) return [capabilityRefusal(capability[1])];
  if (counts.has("budget-unpriced") && nearly.every(([id]) => id === "budget-unpriced")) {
    return [
      refusal(
        "budget-unpriced",
        `A budget of ${spec.budget?.maxCost} is set, but no fitting offer has a known price.`,
        "Nobody could say when the budget is used up.",
        [
          "Choose offers with a price, or declare one in the provider's options (local({ pricePerHour: 0 })).",
          "Use maxDuration instead of a budget.",
        ],
      ),
    ];
  }
  const reasons = [...counts]
    .sort((a, b) => b[1].length - a[1].length)
    .map(([id, entries]) => `${entries.length} × ${id} (${entries[0]?.offer.type}: ${entries[0]?.dropped?.why})`);
  return [
    refusal(
      "no-offer",
      ranked.length === 0 ? "No provider offers a machine that fits." : `None of ${ranked.length} offers fits.`,
      [reasons.join("; "), ...failures.map((notice) => notice.what)].filter((line) => line !== "").join(" ") ||
        emptyBecause(spec, providers),
      ["Ask for less, or allow more types, regions and markets."],
    ),
  ];
}

/** Why nobody offered anything, as far as the question tells. */
function emptyBecause(spec: ResolvedSpec, providers: ReadonlyArray<Pick<TrainingProvider, "name" | "capabilities">>): string {
  const gpus = spec.resources.gpus.map((gpu) => `${gpu.name}:${gpu.count}`).join(" or ");
  const reasons = providers.map(({ name, capabilities }) => {
    if (spec.market === "spot" && !capabilities.spot)
      return `${name} has no spot machines${name === "local" ? " (local({ spot: true }) pretends one)" : ""}`;
    if (gpus !== "") return `${name} has no ${gpus}`;
    return `${name} has nothing that fits the given regions, types and sizes`;
  });
  return reasons.length === 0 ? "No provider was asked." : `${reasons.join("; ")}.`;
}

function capabilityRefusal(entries: readonly RankedOffer[]): Notice {
  const why = entries[0]?.dropped?.why ?? "";
  return refusal(
    "unsupported-capability",
    `No offer can do what the spec asks for: ${why}.`,
    "A machine without it could not run this spec.",
    ["Choose another provider, or change that field."],
  );
}

/** Refused: a budget that buys no training. */
export function budgetRefusal(spec: ResolvedSpec, chosen: RankedOffer | undefined, sharedHost: boolean): Notice[] {
  const price = chosen?.pricePerHour;
  if (spec.budget === undefined || chosen === undefined || price === undefined || price.amount === 0) return [];
  const least = sharedHost ? MIN_USEFUL_HERE_MS : MIN_USEFUL_MS;
  const lasts = (spec.budget.maxCost / (price.amount * spec.resources.nodes)) * 3_600_000;
  if (lasts >= least) return [];
  return [
    refusal(
      "budget-too-small",
      `The budget of ${spec.budget.maxCost} ${price.currency} buys ${Math.max(0, Math.round(lasts / 1000))} s of ${chosen.offer.type} at ${price.amount} ${price.currency}/h.`,
      `Less than ${formatDuration(least)} is over before anything is trained.`,
      ["Raise budget.maxCost, or choose a cheaper machine."],
    ),
  ];
}

/** Refused: spot without checkpoints whose expected cost is above on-demand (P-33). */
export function spotRefusal(
  spec: ResolvedSpec,
  chosen: RankedOffer | undefined,
  onDemand: RankedOffer | undefined,
  workMs: number | undefined,
): Notice[] {
  if (spec.checkpoints !== false || chosen === undefined || !isSpot(chosen.offer) || workMs === undefined) return [];
  const other = onDemand?.pricePerHour;
  if (other === undefined || other.currency !== chosen.pricePerHour?.currency) return [];
  const spotCost = chosen.expectedCost?.amount ?? Number.POSITIVE_INFINITY;
  const otherCost = (other.amount * spec.resources.nodes * workMs) / 3_600_000;
  if (spotCost <= otherCost) return [];
  const shown = Number.isFinite(spotCost) ? `${spotCost.toFixed(2)} ${other.currency}` : "without bound";
  return [
    refusal(
      "spot-costs-more",
      `Spot is expected to cost ${shown}, on-demand ${otherCost.toFixed(2)} ${other.currency}: without checkpoints every interruption starts ${formatDuration(Math.round(workMs / 60_000) * 60_000)} of work anew.`,
      "The cheaper hour is the dearer run.",
      ["Save checkpoints, and set checkpoints.", 'Set market: "on-demand".'],
    ),
  ];
}
