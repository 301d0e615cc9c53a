import type { CleanupDeps } from "../cleanup/cleanup-deps.ts";
import { ConflictError } from "../errors/kinds.ts";
import { formatRef } from "../provider/resource.ts";
import { isoNow } from "../util/clock.ts";
import type { EngineContext } from "./context.ts";
import { asJson, loadRun, runStream } from "./run-log.ts";

/** What cleanup asks of the engine: are runs still using things, did runs ask for them, and the note that a thing is gone. */
export function cleanupPorts(context: () => Promise<EngineContext>): Pick<CleanupDeps, "isRunActive" | "intentOf" | "onGone"> {
  return {
    async isRunActive(runId) {
      const { state: store } = await context();
      const state = await loadRun(store, runId);
      if (state === undefined) return { active: false, why: `run ${runId} is not known here` };
      if (state.ended === undefined) return { active: true, why: `run ${runId} goes on` };
      const kept = state.spec.onEnd === "keep" && state.ended.status !== "cancelled";
      return kept
        ? { active: true, why: `run ${runId} ended and keeps its machine (onEnd)` }
        : { active: false, why: `run ${runId} ended` };
    },
    async intentOf(intentId) {
      const { state: store } = await context();
      for await (const info of store.list("run/")) {
        if (info.corrupt !== undefined) continue;
        const intent = (await loadRun(store, info.stream.slice("run/".length)))?.intents[intentId];
        if (intent !== undefined)
          return { known: true, failed: intent.status === "void" || intent.status === "failed" || intent.status === "unavailable" };
      }
      return { known: false, failed: false };
    },
    async onGone(ref, at) {
      const { state: store, session, clock } = await context();
      const id = formatRef(ref);
      for await (const info of store.list("run/")) {
        if (info.ended || info.corrupt !== undefined) continue;
        const runId = info.stream.slice("run/".length);
        for (;;) {
          const state = await loadRun(store, runId);
          if (state?.machines[id] === undefined || state.machines[id].endedAt !== undefined) break;
          const events = asJson([{ type: "machine-ended", machineId: id, endedAt: at, evidence: "observed", reason: "Cleaned up." }]);
          try {
            await store.append(runStream(runId), events, { expected: state.version, session: session.id, at: isoNow(clock) });
          } catch (error) {
            if (!ConflictError.isInstance(error)) throw error;
          }
        }
      }
    },
  };
}
