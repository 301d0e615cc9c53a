import type { Intent, Offer } from "@runctl/core/provider";
import type { CloudErrors } from "./cloud-errors.ts";
import type { Pool } from "./pool.ts";

/** What the cloud can do with a request. */
export interface IntentLimits {
  provider: string;
  pools: ReadonlyMap<string, Pool>;
  multiPool: boolean;
  gang: boolean;
  volumes: boolean;
  userData: boolean;
  requiredTags: readonly string[];
}

const TOKEN = /^[\x21-\x7e]{1,64}$/;
const USER_DATA_BYTES = 16_384;
const MAX_TAGS = 50;
const MAX_POOLS = 3;

/** The pools that are asked for, in order; at most three are tried. @throws what a real cloud would refuse, before anything is bought. */
export function checkIntent(intent: Intent, limits: IntentLimits, errors: CloudErrors): Pool[] {
  if (!TOKEN.test(intent.id))
    throw errors.invalid("InvalidParameterValue", `Invalid value for clientToken: 1 to 64 printable ASCII characters.`);
  if (intent.name.trim() === "" || intent.name.length > 255)
    throw errors.invalid("InvalidParameterValue", `Invalid value for name: it has ${intent.name.length} characters, 1 to 255 are allowed.`);
  if (!Number.isInteger(intent.nodes) || intent.nodes < 1)
    throw errors.invalid("InvalidParameterValue", `Value (${intent.nodes}) for parameter nodes is invalid: a whole number from 1.`);
  if (intent.nodes > 1 && !limits.gang) throw errors.unsupported("Unsupported", "This cloud sells one machine at a time.");
  if (intent.offers.length > 1 && !limits.multiPool)
    throw errors.invalid("InvalidParameterCombination", `The request names ${intent.offers.length} offers; this cloud takes one.`);
  if (Number.isNaN(Date.parse(intent.endBy)))
    throw errors.invalid("InvalidParameterValue", `Value (${intent.endBy}) for parameter endBy is no time.`);
  if (limits.userData && new TextEncoder().encode(intent.boot).length > USER_DATA_BYTES)
    throw errors.invalid("InvalidParameterValue", `User data is limited to ${USER_DATA_BYTES} bytes.`);
  if (!limits.userData && intent.boot !== "")
    throw errors.invalid("InvalidParameterCombination", "This cloud runs no boot text: reach the machine by connect().");
  if (intent.diskBytes !== undefined && !(intent.diskBytes > 0))
    throw errors.invalid("InvalidParameterValue", `Value (${intent.diskBytes}) for parameter diskBytes is invalid.`);
  if (intent.volumes.length > 0 && !limits.volumes) throw errors.unsupported("Unsupported", "This cloud has no volumes.");
  if (intent.volumes.length > 0 && intent.nodes > 1)
    throw errors.invalid("InvalidParameterCombination", "A volume can be attached to one instance, the request is for several.");
  for (const { ref, mount } of intent.volumes) {
    if (ref.provider !== limits.provider || ref.kind !== "volume")
      throw errors.invalid("InvalidParameterValue", `${ref.id} is no volume of ${limits.provider}.`);
    if (!mount.startsWith("/")) throw errors.invalid("InvalidParameterValue", `Invalid mount point ${mount}: an absolute path is needed.`);
  }
  checkTags(intent.tags, errors);
  for (const key of limits.requiredTags)
    if (!(key in intent.tags))
      throw errors.invalid("TagPolicyViolation", `The request lacks the tag ${key}, which this account's policy asks for.`);
  return intent.offers.slice(0, MAX_POOLS).map((offer) => poolOf(offer, limits, errors));
}

/** @throws ValidationError for tags that no cloud takes. */
export function checkTags(tags: Record<string, string>, errors: CloudErrors): void {
  const keys = Object.keys(tags);
  if (keys.length > MAX_TAGS)
    throw errors.invalid("TagLimitExceeded", `The maximum number of Tags for a resource has been reached (${MAX_TAGS}).`);
  for (const key of keys) {
    if (key === "" || key.length > 128)
      throw errors.invalid("InvalidParameterValue", "Tag key exceeds the maximum length of 128 characters.");
    if (/^(aws|cloud):/i.test(key))
      throw errors.invalid("InvalidParameterValue", `Tag keys starting with '${key.split(":")[0]}:' are reserved for internal use.`);
    if ((tags[key] ?? "").length > 256)
      throw errors.invalid("InvalidParameterValue", `Tag value of ${key} exceeds the maximum length of 256 characters.`);
  }
}

function poolOf(offer: Offer, limits: IntentLimits, errors: CloudErrors): Pool {
  if (offer.provider !== limits.provider)
    throw errors.invalid("InvalidParameterValue", `The offer ${offer.id} is of ${offer.provider}, not of ${limits.provider}.`);
  const pool = limits.pools.get(offer.id);
  if (pool === undefined)
    throw errors.invalid("InvalidParameterValue", `The requested configuration is not supported: there is no offer ${offer.id}.`);
  const said: Array<[string, unknown, unknown]> = [
    ["type", offer.type, pool.type.name],
    ["region", offer.region ?? pool.region, pool.region],
    ["zone", offer.zone ?? pool.zone, pool.zone],
    ["market", offer.market, pool.market],
  ];
  for (const [field, given, known] of said)
    if (given !== known)
      throw errors.invalid(
        "InvalidParameterCombination",
        `The offer ${offer.id} is of ${field} ${String(known)}, the request says ${String(given)}.`,
      );
  return pool;
}
