import { afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ConformanceOptions } from "../src/conformance/options.ts";
import { providerCases } from "../src/conformance/provider-cases.ts";
import { type Recording, recordProvider } from "../src/conformance/recording.ts";
import { runConformance } from "../src/conformance/run-conformance.ts";
import { cloudSubject } from "./support/cloud-subject.ts";
import { leaks, sabotaged, saboteurs } from "./support/saboteurs.ts";

let recording: Recording;
beforeAll(async () => {
  const made = cloudSubject();
  const whole = recordProvider(made.provider);
  await made.drive?.(runConformance(() => ({ ...made, provider: whole.provider }), { only: ["recorded-playback"] }).then(() => undefined));
  recording = whole.recording();
});
afterEach(() => {
  for (const undo of leaks.splice(0)) undo();
});

const options = (only: string[]): ConformanceOptions => ({ only, recording, limits: { poll: 20, burstBytes: 30_000_000 } });

it("every case has a saboteur, and every saboteur a case", () => {
  expect([...new Set(saboteurs.map((saboteur) => saboteur.id))].sort()).toEqual(providerCases.map((one) => one.id).sort());
});

describe.each(saboteurs)("$id: $breaks", (saboteur) => {
  const only = [saboteur.id, ...(saboteur.after ?? [])];

  it("is named by the suite", async () => {
    const report = await runConformance(() => sabotaged(saboteur), options(only));
    const found = report.cases.find((one) => one.id === saboteur.id);
    expect(found, found?.why).toMatchObject({ status: "failed" });
    if (process.env.SHOW_WHY) console.log(`${saboteur.id}: ${found?.why}`);
    expect(report.ok).toBe(false);
  });

  it("passes unbroken", async () => {
    const report = await runConformance(saboteur.base, options(only));
    const found = report.cases.find((one) => one.id === saboteur.id);
    expect(found, found?.why).toMatchObject({ status: "passed" });
  });
});
