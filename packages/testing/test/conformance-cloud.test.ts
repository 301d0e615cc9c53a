import { describe, expect, it } from "vitest";
import { EC2_LIKE, LYCEUM_LIKE, RUNPOD_LIKE } from "../src/cloud/cloud-presets.ts";
import { testProvider } from "../src/conformance/test-provider.ts";
import { cloudSubject } from "./support/cloud-subject.ts";

const CLOUDS = [
  ["of class A", "A", { class: "A" }],
  ["of class B", "B", { class: "B" }],
  ["of class C", "C", { class: "C" }],
  ["as EC2", "A", { ...EC2_LIKE, listing: { ...EC2_LIKE.listing, pageSize: 2 } }],
  ["as RunPod", "B", RUNPOD_LIKE],
  ["as Lyceum", "B", LYCEUM_LIKE],
] as const;

for (const [name, proven, options] of CLOUDS) {
  testProvider(() => cloudSubject(options), {
    describe,
    it,
    name: `the emulated cloud ${name} keeps the contract`,
    // Found by this suite.
    excuse: {
      ...(name === "as RunPod"
        ? { "manifest-methods": "this cloud tells its containers by a signal, and the preset boots by sessions" }
        : {}),
      ...(name === "as Lyceum"
        ? { "manifest-methods": "the offers of a cloud without a guard say that their machines can end themselves" }
        : {}),
    },
    onReport: (report) => {
      expect(report.class).toMatchObject({ class: proven, declared: proven, against: [] });
      expect(report.leftovers).toEqual([]);
    },
  });
}
