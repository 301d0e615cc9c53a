import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, it } from "vitest";
import { fileStore } from "../storage/file-store.ts";
import type { EngineContext } from "./context.ts";
import { fileLines } from "./metric-lines.ts";
import type { RunState } from "./run-state.ts";
import type { RunView } from "./run-view.ts";

const folder = mkdtempSync(join(tmpdir(), "runctl-metric-lines-"));
afterAll(() => rmSync(folder, { recursive: true }));

it("S-06: lines of metrics files come from the store after the run, attempt by attempt, also when a chunk ends inside a line", async () => {
  const storeUri = `${pathToFileURL(folder).href}/`;
  const store = fileStore();
  const line = (text: string): string => `${JSON.stringify({ at: "2026-01-01T00:00:00.000Z", file: "m.jsonl", end: 1, text })}\n`;
  const first = line('{"step":1,"loss":NaN}') + line('{"step":2,"loss":0.5}');
  const put = (attempt: number, offset: number, text: string) =>
    store.put(`${storeUri}runs/r1/metrics/${attempt}/${String(offset).padStart(16, "0")}`, Buffer.from(text));
  await put(1, 0, first.slice(0, 100));
  await put(1, 100, first.slice(100));
  await put(3, 0, `not ours\n${line('{"step":3,"loss":0.25}')}`);
  const attempts = [1, 2, 3].map((number) => ({ number, outcome: {}, final: undefined }));
  const state = { runId: "r1", storeUri, attempts, ended: {} } as unknown as RunState;
  const context = { store: () => store } as unknown as EngineContext;
  const view: RunView = {
    refresh: async () => state,
    changed: () => Promise.reject(new Error("nothing to wait for")),
    nudge: () => undefined,
  };
  const found: string[] = [];
  for await (const each of fileLines(context, view, { follow: true })) found.push(`${each.attempt} ${each.text}`);
  expect(found).toEqual(['1 {"step":1,"loss":NaN}', '1 {"step":2,"loss":0.5}', '3 {"step":3,"loss":0.25}']);
});
