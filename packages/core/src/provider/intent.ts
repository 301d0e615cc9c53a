import type { JsonObject } from "../util/json.ts";
import type { Offer } from "./offer.ts";
import type { Machine, ResourceRef } from "./resource.ts";

/** A volume that a machine gets at `mount`. */
export interface VolumeMount {
  ref: ResourceRef;
  mount: string;
  readOnly: boolean;
}

/** One billable purchase, stored whole before the call, so that any process can repeat the same bytes. */
export interface Intent {
  /** Random, ASCII, at most 32 characters: the idempotency token. */
  id: string;
  /** Unique name carrying the intent's id. */
  name: string;
  runId?: string | undefined;
  attempt: number;
  offers: [Offer, ...Offer[]];
  nodes: number;
  /** Ours (tags.ts) and the user's labels; set IN the create call. */
  tags: Record<string, string>;
  /** sh text for hosts with a boot hook; empty for "session". */
  boot: string;
  sshPublicKey?: string | undefined;
  image?: string | undefined;
  diskBytes?: number | undefined;
  volumes: VolumeMount[];
  env: Record<string, string>;
  /** ISO: the guardian's hard limit, after which nothing of it may live. */
  endBy: string;
  options?: JsonObject | undefined;
}

/** What one `create` call did. An unknown outcome is thrown as AmbiguousOutcomeError. */
export type CreateOutcome =
  | { kind: "created"; machines: [Machine, ...Machine[]]; also: ResourceRef[] }
  | { kind: "queued"; ref: ResourceRef; expectedStart?: string | undefined }
  | { kind: "unavailable"; pools: UnavailablePool[] };

export interface UnavailablePool {
  offerId: string;
  scope: "zone" | "region" | "type" | "account";
  tried: boolean;
  retryAfterMs?: number | undefined;
}
