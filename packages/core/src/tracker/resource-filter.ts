import { ValidationError } from "../errors/kinds.ts";
import type { MachineState } from "../provider/resource.ts";
import type { TrackedResource } from "./tracked-resource.ts";

/** Which resources, in which order. Every field narrows; a list means any of its values. */
export interface ResourceFilter {
  provider?: string | string[] | undefined;
  /** The old tool's name for provider. */
  platform?: string | string[] | undefined;
  project?: string | string[] | undefined;
  user?: string | string[] | undefined;
  state?: MachineState | MachineState[] | undefined;
  kind?: string | string[] | undefined;
  type?: string | string[] | undefined;
  runId?: string | string[] | undefined;
  /** All of these tags with these values. */
  tag?: Record<string, string> | undefined;
  /** "cost": burn per hour, "accumulated", "age": biggest first. "type", "state", "name": by text. Default "age". */
  sort?: ResourceSort | undefined;
  limit?: number | undefined;
  /** Also those that have ended. Default false, unless `state` asks for "ended". */
  showEnded?: boolean | undefined;
}

export type ResourceSort = "cost" | "accumulated" | "age" | "type" | "state" | "name";

const SORTS: Record<ResourceSort, (a: TrackedResource, b: TrackedResource) => number> = {
  cost: (a, b) => b.hourly.known.amount - a.hourly.known.amount,
  accumulated: (a, b) => b.cost.known.amount - a.cost.known.amount,
  age: (a, b) => b.ageMs - a.ageMs,
  type: (a, b) => text(a.type ?? "", b.type ?? ""),
  state: (a, b) => text(a.state, b.state),
  name: (a, b) => text(a.name, b.name),
};

/** Filters, sorts (ties by id, so that the order never wavers) and limits. @throws ValidationError for an unknown sort or a bad limit. */
export function selectResources(resources: readonly TrackedResource[], filter: ResourceFilter): TrackedResource[] {
  const sort = SORTS[filter.sort ?? "age"];
  if (sort === undefined || !Object.hasOwn(SORTS, filter.sort ?? "age")) {
    throw new ValidationError({
      what: `sort must be one of ${Object.keys(SORTS).join(", ")}, not ${JSON.stringify(filter.sort)}.`,
      fix: ['For example sort: "cost".'],
    });
  }
  const limit = filter.limit ?? resources.length;
  if (!Number.isInteger(limit) || limit < 0) {
    throw new ValidationError({
      what: `limit must be a whole number from 0 on, not ${String(filter.limit)}.`,
      fix: ["For example limit: 20."],
    });
  }
  return resources
    .filter((resource) => matches(resource, filter))
    .sort((a, b) => sort(a, b) || text(a.id, b.id))
    .slice(0, limit);
}

function matches(resource: TrackedResource, filter: ResourceFilter): boolean {
  const wantsEnded = filter.showEnded ?? (filter.state !== undefined && list(filter.state).includes("ended"));
  if (resource.state === "ended" && !wantsEnded) return false;
  const fits = (wanted: string | string[] | undefined, value: string | undefined): boolean =>
    wanted === undefined || (value !== undefined && list(wanted).includes(value));
  return (
    fits(filter.provider, resource.ref.provider) &&
    fits(filter.platform, resource.ref.provider) &&
    fits(filter.project, resource.project) &&
    fits(filter.user, resource.user) &&
    fits(filter.state, resource.state) &&
    fits(filter.kind, resource.ref.kind) &&
    fits(filter.type, resource.type) &&
    fits(filter.runId, resource.runId) &&
    Object.entries(filter.tag ?? {}).every(([key, value]) => Object.hasOwn(resource.tags, key) && resource.tags[key] === value)
  );
}

function list<T>(value: T | T[]): T[] {
  return Array.isArray(value) ? value : [value];
}

function text(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
