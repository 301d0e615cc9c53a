import { describe, expect, it } from "vitest";
import { testProvider } from "../src/conformance/test-provider.ts";
import { cloudSubject } from "./support/cloud-subject.ts";

for (const cls of ["A", "B", "C"] as const) {
  testProvider(() => cloudSubject({ class: cls }), {
    describe,
    it,
    name: `the emulated cloud of class ${cls} keeps the contract`,
    // Found by this suite; the rooms are being built.
    excuse: {
      "manifest-no-volumes": "the cloud has no volumes yet and does not say so",
      "errors-foreign-ref": "the cloud's client does not look at the kind of a ref",
      "access-doctor": "the cloud's doctor does not know of scripted permissions",
    },
    onReport: (report) => {
      expect(report.class?.class).toBe(cls);
      expect(report.leftovers).toEqual([]);
    },
  });
}
