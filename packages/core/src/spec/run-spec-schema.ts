import { z } from "zod";
import type { JsonObject } from "../util/json.ts";
import { strict } from "./strict-object.ts";

const build = () => {
  const text = z.string().min(1);
  const texts = z.array(text);
  const words = z.array(z.string());
  const oneOrMore = z.union([text, texts.min(1)]);
  const durationOrSize = z.union([z.number(), z.string()]);
  const count = z.number().int().min(1);
  const name128 = text.max(128);
  const strings = z.record(z.string(), z.string());
  const mode = z.enum(["min", "max"]);

  return strict({
    script: text.optional(),
    command: words.min(1).optional(),
    args: words.optional(),
    name: name128.optional(),
    project: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
      .optional(),
    labels: z.record(z.string(), z.string().max(128)).optional(),
    key: text.max(256).optional(),
    root: text.optional(),
    include: texts.optional(),
    exclude: texts.optional(),
    env: strings.optional(),
    secrets: z.record(z.string(), z.union([text, strict({ env: text }), strict({ file: text }), strict({ ref: text })])).optional(),
    dependencies: z.union([z.enum(["auto", "none"]), strict({ file: text }), strict({ packages: texts.min(1) })]).optional(),
    resources: strict({
      gpu: z.union([text, texts]).optional(),
      cpus: z.number().positive().optional(),
      memory: durationOrSize.optional(),
      disk: durationOrSize.optional(),
      nodes: count.optional(),
      processesPerNode: z.union([count, z.literal("gpu")]).optional(),
    }).optional(),
    provider: oneOrMore.optional(),
    instanceType: oneOrMore.optional(),
    region: oneOrMore.optional(),
    zone: oneOrMore.optional(),
    machine: text.optional(),
    share: z.boolean().optional(),
    market: z.enum(["on-demand", "spot", "spot-then-on-demand", "auto"]).optional(),
    fallbackAfter: durationOrSize.optional(),
    maxPricePerHour: z.number().min(0).optional(),
    inputs: z.array(strict({ from: text, to: text, volume: text.optional() })).optional(),
    outputs: z
      .array(
        strict({
          from: text,
          to: text,
          when: z.union([z.enum(["end", "always"]), strict({ every: durationOrSize })]).optional(),
        }),
      )
      .optional(),
    checkpoints: z
      .union([
        z.literal(false),
        strict({
          dir: text.optional(),
          to: text.optional(),
          resume: text.optional(),
          resumeArgs: words.optional(),
          keep: strict({
            last: count.optional(),
            every: durationOrSize.optional(),
            best: strict({ metric: text, mode }).optional(),
          }).optional(),
          stopSignal: z.enum(["SIGTERM", "SIGUSR1", "SIGINT"]).optional(),
          grace: durationOrSize.optional(),
        }),
      ])
      .optional(),
    container: z
      .union([
        z.enum(["auto", "none"]),
        strict({
          image: text.optional(),
          dockerfile: text.optional(),
          buildArgs: strings.optional(),
          gpus: z.enum(["auto", "none"]).optional(),
        }),
      ])
      .optional(),
    volumes: z
      .array(
        strict({
          id: text.optional(),
          create: strict({
            name: text.optional(),
            sizeBytes: count,
            zone: text.optional(),
            type: text.optional(),
            encrypted: z.boolean().optional(),
            iops: count.optional(),
            throughputMiBps: count.optional(),
            persistent: z.boolean().optional(),
            fromSnapshot: text.optional(),
          }).optional(),
          mount: text,
          readOnly: z.boolean().optional(),
          onEnd: z.enum(["keep", "delete"]).optional(),
        }),
      )
      .optional(),
    budget: strict({
      maxCost: z.number().positive(),
      warnAt: z.array(z.number().positive().max(1)).optional(),
      onExceeded: z.enum(["stop", "warn"]).optional(),
    }).optional(),
    deadline: z.union([z.date(), text]).optional(),
    maxDuration: durationOrSize.optional(),
    retries: strict({
      interruptions: z.union([z.literal(Number.POSITIVE_INFINITY), z.number().int().min(0)]).optional(),
      failures: z.number().int().min(0).optional(),
      capacity: durationOrSize.optional(),
    }).optional(),
    onEnd: z
      .union([z.enum(["terminate", "stop", "keep"]), strict({ after: durationOrSize, then: z.enum(["terminate", "stop"]) })])
      .optional(),
    metrics: z.array(strict({ name: text.optional(), pattern: text.optional(), file: text.optional() })).optional(),
    earlyStopping: strict({ metric: text, mode, patience: count, minDelta: z.number().min(0).optional() }).optional(),
    allow: texts.optional(),
    // Their inside is the provider's business; plain JSON is checked before this schema.
    providerOptions: z
      .record(
        z.string(),
        z.custom<JsonObject>((value) => typeof value === "object" && value !== null && !Array.isArray(value)),
      )
      .optional(),
  });
};

let built: ReturnType<typeof build> | undefined;

/** The strict shape of a RunSpec. Built at first use: an import must stay cheap. Never part of the package's face. */
export function runSpecSchema(): ReturnType<typeof build> {
  built ??= build();
  return built;
}

/** A RunSpec whose shape is checked. */
export type CheckedRunSpec = z.infer<ReturnType<typeof build>>;
