/** A checkpoint of a modelled job: JSON, which the agent can prove whole. It tells who made it, for audits. */
export interface CheckpointContent {
  step: number;
  runId: string;
  attempt: number;
}

/** Name below the checkpoint dir. */
export function checkpointName(step: number): string {
  return `step-${step}.json`;
}

/** Its bytes; `sizeBytes` at least, filled up with spaces. */
export function checkpointBytes(content: CheckpointContent, sizeBytes: number): Uint8Array {
  const text = JSON.stringify({ step: content.step, runId: content.runId, attempt: content.attempt });
  return new TextEncoder().encode(text.padEnd(sizeBytes, " "));
}

/** The step that a restored checkpoint holds; undefined when it is torn. */
export function stepInside(bytes: Uint8Array): number | undefined {
  try {
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as { step?: unknown } | null;
    return typeof value?.step === "number" ? value.step : 0;
  } catch {
    return undefined;
  }
}
