import { defineConfig } from "vitest/config";

/**
 * Tests with real processes, real time or a disk: by folder, or anywhere by the name `x.real.test.ts`. `pnpm test` runs them one file at a time in a
 * lane of their own, and everything else at low priority beside them (docs/decisions/0012-two-lanes-of-tests.md).
 */
const REAL = [
  "acceptance/**/*.test.ts",
  "examples/**/*.test.ts",
  "packages/provider-*/**/*.test.ts",
  "packages/core/src/{checkpoint,code,host,state,storage}/**/*.test.ts",
  "packages/**/*.real.test.ts",
];

export default defineConfig({
  resolve: { conditions: ["@runctl/source"] },
  ssr: { resolve: { conditions: ["@runctl/source"], externalConditions: ["@runctl/source"] } },
  test: {
    // One file at a time: tests with real processes and deadlines of seconds must not starve one another on two cores.
    maxWorkers: 1,
    projects: [
      { extends: true, test: { name: "real", include: REAL, testTimeout: 60_000, hookTimeout: 60_000 } },
      {
        extends: true,
        // Pure computing, but at low priority beside the other lane: a limit is only against hanging.
        test: { name: "pure", include: ["packages/*/{src,test}/**/*.test.ts"], exclude: REAL, testTimeout: 120_000, hookTimeout: 120_000 },
      },
    ],
  },
});
