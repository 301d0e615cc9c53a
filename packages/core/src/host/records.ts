import { z } from "zod";

// What the host agent writes into its attempt folder (docs/decisions/0002-host-agent.md). Read tolerantly: unknown fields are kept
// out, a record that does not parse is treated as not there yet and reported.

/** The phases of an attempt on the host, in order. */
export const PHASES = ["starting", "claiming", "inputs", "dependencies", "training", "stopping", "uploading", "done"] as const;

/** Why an attempt ended or was told to. First cause wins. */
export const CAUSES = [
  "exit", // the training ended by itself (or by a signal that was not ours)
  "done-file", // RUNCTL_DONE_FILE was written
  "stop", // controller: stop (save first)
  "cancel", // controller: cancel (now)
  "suspend", // controller: the machine is to be stopped, the run goes on later
  "notice", // the provider's interruption notice
  "allowance", // allowance used up: budget
  "max-duration",
  "deadline",
  "guard", // the guardian's hard or feed limit
  "reboot",
  "claim-lost", // another machine trains this attempt
  "busy", // another attempt is training on this host
  "setup-failed", // code, inputs, dependencies or image could not be brought in place
  "spawn-failed", // the training could not be started
  "agent-lost", // the agent died before the training was started, and its secrets with it
  "disk-full",
] as const;

export type AttemptCause = (typeof CAUSES)[number];

export const statusSchema = z.lazy(() =>
  z.object({
    seq: z.number().int(),
    phase: z.enum(PHASES),
    uptime: z.number(),
    wall: z.string(),
    bootId: z.string(),
    /** Seconds of training so far. */
    trainingSeconds: z.number(),
    startedAt: z.string().nullable(),
    step: z.number().nullable(),
    logBytes: z.number().int(),
    setupLogBytes: z.number().int(),
    /** Newest published checkpoint: its manifest key, and how many were published. */
    checkpoint: z.string().nullable(),
    published: z.number().int(),
    uploading: z.string().nullable(),
    resumedFrom: z.string().nullable(),
    detail: z.string().nullable(),
    progress: z.object({ operation: z.string(), done: z.number(), total: z.number().nullable(), unit: z.string() }).nullable(),
    allowanceSeq: z.number().int(),
    pid: z.number().int().nullable(),
  }),
);

export const noticeSchema = z.lazy(() =>
  z.object({
    cause: z.enum(CAUSES),
    at: z.string(),
    until: z.string().nullable(),
    detail: z.string().nullable().optional(),
  }),
);

export const exitSchema = z.lazy(() =>
  z.object({
    code: z.number().int().nullable(),
    signal: z.string().nullable(),
    endedUptime: z.number(),
    endedAt: z.string(),
  }),
);

export const finalSchema = z.lazy(() =>
  z.object({
    cause: z.enum(CAUSES),
    code: z.number().int().nullable(),
    signal: z.string().nullable(),
    /** One of our error kinds' codes and texts when the agent itself failed. */
    error: z.object({ what: z.string(), why: z.string(), fix: z.array(z.string()) }).nullable(),
    startedAt: z.string().nullable(),
    endedAt: z.string(),
    /** Seconds by phase. */
    seconds: z.record(z.string(), z.number()),
    resumedFrom: z.string().nullable(),
    published: z.number().int(),
    newestCheckpoint: z.string().nullable(),
    outputs: z.array(z.object({ from: z.string(), to: z.string(), files: z.number(), sizeBytes: z.number() })),
    lost: z.array(z.string()),
    logBytes: z.number().int(),
    setupLogBytes: z.number().int(),
    /** Of metrics.jsonl; agents before it did not say. */
    metricsBytes: z.number().int().optional(),
  }),
);

/** A line of `metrics.jsonl`: one line of a file that `metrics[].file` named, as the training wrote it. Each is there once. */
export const metricLineSchema = z.lazy(() =>
  z.object({
    /** When the agent read it. */
    at: z.string(),
    file: z.string(),
    text: z.string(),
  }),
);

/** Lines of `events.jsonl`: things worth an event, once each, in order. */
export const hostEventSchema = z.lazy(() =>
  z.discriminatedUnion("type", [
    z.object({ type: z.literal("checkpoint-published"), at: z.string(), manifest: z.string() }),
    z.object({ type: z.literal("checkpoint-rejected"), at: z.string(), path: z.string(), reason: z.string() }),
    z.object({ type: z.literal("notice"), at: z.string(), action: z.string(), until: z.string().nullable(), source: z.string() }),
    z.object({ type: z.literal("decision"), at: z.string(), what: z.string() }),
    z.object({
      type: z.literal("progress"),
      at: z.string(),
      operation: z.string(),
      done: z.number(),
      total: z.number().nullable(),
      unit: z.string(),
      detail: z.string().nullable(),
    }),
    z.object({ type: z.literal("resume-rejected"), at: z.string(), manifest: z.string(), reason: z.string() }),
  ]),
);

export type HostStatus = z.infer<typeof statusSchema>;
export type HostNoticeRecord = z.infer<typeof noticeSchema>;
export type HostExit = z.infer<typeof exitSchema>;
export type HostFinal = z.infer<typeof finalSchema>;
export type HostEvent = z.infer<typeof hostEventSchema>;
