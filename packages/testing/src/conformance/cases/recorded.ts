import assert from "node:assert/strict";
import type { ConformanceCase } from "../case.ts";
import type { ConformanceContext } from "../context.ts";
import { playback, recordingDrift } from "../playback.ts";
import { parseRecording, type Recording, recordProvider } from "../recording.ts";

/** Point 13: what a provider answers can be kept, and compared later. */
export const recordedCases: ConformanceCase[] = [
  {
    id: "recorded-playback",
    point: 13,
    title: "its exchanges can be recorded as JSON without secrets, and played back the same",
    needs: [],
    async run(context) {
      const { recording, seen } = await recordLifecycle(context);
      const text = JSON.stringify(recording);
      for (const secret of context.hooks.secrets ?? []) assert.ok(secret === "" || !text.includes(secret), "The recording holds a secret.");
      const player = playback(parseRecording(JSON.parse(text)));
      const again: unknown[] = [];
      for (const step of seen) again.push(await step.replay(player));
      assert.deepEqual(again, JSON.parse(JSON.stringify(seen.map((step) => step.result))), "Played back, it answers something else.");
    },
  },
  {
    id: "recorded-drift",
    point: 13,
    title: "its answers have the form that was recorded from the real service",
    needs: ["recording"],
    async run(context) {
      const { recording } = await recordLifecycle(context);
      const drift = recordingDrift(context.options.recording as Recording, recording);
      assert.equal(drift.length, 0, `Since the recording: ${drift.join("; ")}.`);
    },
  },
];

interface Step {
  result: unknown;
  replay(provider: ReturnType<typeof playback>): Promise<unknown>;
}

/** The shortest life of a machine, recorded. */
async function recordLifecycle(context: ConformanceContext): Promise<{ recording: Recording; seen: Step[] }> {
  const recorder = recordProvider(context.provider, { secrets: context.hooks.secrets });
  const { provider } = recorder;
  const intent = await context.intent();
  const seen: Step[] = [];
  const step = async (call: (on: typeof provider) => Promise<unknown>): Promise<unknown> => {
    const result = (await call(provider)) ?? null;
    seen.push({ result, replay: async (on) => (await call(on)) ?? null });
    return result;
  };
  await step((on) => on.identity());
  await step((on) => on.offers({}));
  const outcome = (await step((on) => on.create(intent))) as { machines?: Array<{ ref: Parameters<typeof provider.terminate>[0] }> };
  await context.settled();
  await step((on) => on.find({ intentId: intent.id }));
  const ref = outcome.machines?.[0]?.ref;
  if (ref !== undefined) await step((on) => on.terminate(ref));
  return { recording: recorder.recording(), seen };
}
