import type { Money } from "./money.ts";

/** Names one thing at one provider. Text form: `aws/us-east-1/machine/i-0abc`. */
export interface ResourceRef {
  provider: string;
  account?: string | undefined;
  region?: string | undefined;
  kind: "machine" | "volume" | "snapshot" | "image" | (string & {});
  id: string;
}

/** An unrecognised state is "unknown", never "ended": absence of sight is not death. */
export type MachineState = "pending" | "running" | "stopping" | "stopped" | "ending" | "ended" | "unknown";

/** A machine as the provider reports it now. */
export interface Machine {
  ref: ResourceRef;
  name: string;
  state: MachineState;
  /** Tags or labels, ours among them (see tags.ts). */
  tags: Record<string, string>;
  type?: string | undefined;
  market?: string | undefined;
  zone?: string | undefined;
  /** ISO time of launch by the provider's own record; absent when the provider does not say. */
  createdAt?: string | undefined;
  endedAt?: string | undefined;
  /** Price per hour it was bought at, when the provider tells. */
  pricePerHour?: Money | undefined;
  /** Addresses, host keys and the like, for `connect`. Never a secret. */
  address?: Record<string, string> | undefined;
  /** Why it ended or changes state, in the provider's words. */
  stateReason?: string | undefined;
}

/** Something the provider holds for us that is not a machine. */
export interface ForeignOrOtherResource {
  ref: ResourceRef;
  name: string;
  tags: Record<string, string>;
  createdAt?: string | undefined;
  pricePerHour?: Money | undefined;
}

/** Text form of a ref: `provider/region/kind/id`, the region left out when there is none. */
export function formatRef(ref: ResourceRef): string {
  const { provider, region, kind, id } = ref;
  return region === undefined || region === "" ? `${provider}/${kind}/${id}` : `${provider}/${region}/${kind}/${id}`;
}

/** Reads the text form back; undefined when the text is not one (it may be a native id). */
export function parseRef(text: string): ResourceRef | undefined {
  const parts = text.split("/");
  if (parts.some((part) => part === "")) return undefined;
  if (parts.length === 3) return { provider: parts[0] as string, kind: parts[1] as string, id: parts[2] as string };
  if (parts.length === 4) {
    return { provider: parts[0] as string, region: parts[1] as string, kind: parts[2] as string, id: parts[3] as string };
  }
  return undefined;
}
