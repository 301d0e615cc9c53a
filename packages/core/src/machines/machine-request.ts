import { z } from "zod";
import type { VolumeMount } from "../provider/intent.ts";
import type { OfferRequest } from "../provider/offer.ts";
import { parseGpus } from "../spec/gpu.ts";
import type { Duration, Size } from "../spec/run-spec.ts";
import { parseDuration, parseSize } from "../spec/units.ts";
import { parseOrThrow } from "../tracker/registration.ts";
import type { JsonObject } from "../util/json.ts";

/** A machine without a run. Every field but `provider` has a default. */
export interface MachineRequest {
  /** Name of a registered provider. */
  provider: string;
  instanceType?: string | string[] | undefined;
  /** "A100:2", or several in order of preference. */
  gpu?: string | string[] | undefined;
  cpus?: number | undefined;
  memory?: Size | undefined;
  disk?: Size | undefined;
  region?: string | string[] | undefined;
  zone?: string | string[] | undefined;
  /** Default "on-demand". There is no silent change from one market to another. */
  market?: string | undefined;
  maxPricePerHour?: number | undefined;
  /** Default "runctl-<user>-<project>-<8 letters>". */
  name?: string | undefined;
  /** Yours; runctl's own keys win. */
  tags?: Record<string, string> | undefined;
  image?: string | undefined;
  /** No secrets: it is stored with the intent. */
  env?: Record<string, string> | undefined;
  sshPublicKey?: string | undefined;
  volumes?: VolumeMount[] | undefined;
  /** After this it may be ended by its guardian and by cleanup. Default "7d" (host-and-state.md §1). */
  maxLifetime?: Duration | undefined;
  providerOptions?: JsonObject | undefined;
}

export interface ResolvedMachineRequest {
  provider: string;
  offers: OfferRequest;
  name?: string | undefined;
  tags: Record<string, string>;
  image?: string | undefined;
  env: Record<string, string>;
  sshPublicKey?: string | undefined;
  diskBytes?: number | undefined;
  volumes: VolumeMount[];
  maxLifetimeMs: number;
  options?: JsonObject | undefined;
}

const schema = z.lazy(() => {
  const text = z.string().min(1).max(256);
  const texts = z.union([text, z.array(text)]).optional();
  return z.strictObject({
    provider: text,
    instanceType: texts,
    gpu: texts,
    cpus: z.number().positive().optional(),
    memory: z.union([z.number(), text]).optional(),
    disk: z.union([z.number(), text]).optional(),
    region: texts,
    zone: texts,
    market: text.optional(),
    maxPricePerHour: z.number().finite().nonnegative().optional(),
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, "must be 1 to 63 letters, digits, dots, dashes or underscores")
      .optional(),
    tags: z.record(z.string().min(1).max(128), z.string().max(256)).optional(),
    image: text.optional(),
    env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string()).optional(),
    sshPublicKey: z.string().max(16_384).optional(),
    volumes: z.array(z.custom<VolumeMount>((value) => typeof value === "object" && value !== null)).optional(),
    maxLifetime: z.union([z.number(), text]).optional(),
    providerOptions: z.record(z.string(), z.json()).optional(),
  });
});

/** @throws ValidationError naming the field, its value and an example. */
export function resolveMachineRequest(request: MachineRequest): ResolvedMachineRequest {
  const checked = parseOrThrow(schema, request, "The machine request", '{ provider: "aws", instanceType: "g5.xlarge" }');
  const list = (value: string | string[] | undefined): string[] | undefined =>
    value === undefined ? undefined : Array.isArray(value) ? value : [value];
  const diskBytes = checked.disk === undefined ? undefined : parseSize(checked.disk, "disk");
  return {
    provider: checked.provider,
    offers: {
      gpus: checked.gpu === undefined ? undefined : parseGpus(checked.gpu),
      cpus: checked.cpus,
      memoryBytes: checked.memory === undefined ? undefined : parseSize(checked.memory, "memory"),
      diskBytes,
      instanceTypes: list(checked.instanceType),
      regions: list(checked.region),
      zones: list(checked.zone),
      markets: [checked.market ?? "on-demand"],
      maxPricePerHour: checked.maxPricePerHour,
    },
    name: checked.name,
    tags: checked.tags ?? {},
    image: checked.image,
    env: checked.env ?? {},
    sshPublicKey: checked.sshPublicKey,
    diskBytes,
    volumes: checked.volumes ?? [],
    maxLifetimeMs: parseDuration(checked.maxLifetime ?? "7d", "maxLifetime"),
    options: checked.providerOptions as JsonObject | undefined,
  };
}
