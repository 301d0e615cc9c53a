import { testProvider } from "@runctl/testing";
import { describe, expect, it } from "vitest";
import { conformance } from "./conformance.ts";

testProvider(conformance.factory, {
  ...conformance,
  describe,
  it,
  name: "a third party's provider, as the guide writes it, conforms",
  onReport: (report) => {
    expect(report.class).toMatchObject({ class: "A", declared: "A", against: [] });
    expect(report.counts.passed).toBeGreaterThan(65);
  },
});
