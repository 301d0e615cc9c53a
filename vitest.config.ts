import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["@runctl/source"] },
  ssr: { resolve: { conditions: ["@runctl/source"], externalConditions: ["@runctl/source"] } },
  test: {
    include: ["packages/*/src/**/*.test.ts", "packages/*/test/**/*.test.ts", "examples/**/*.test.ts", "acceptance/**/*.test.ts"],
    testTimeout: 30_000,
    // Most tests wait for real processes: two at a time keep two cores busy, and more would only make them wait for each other.
    maxWorkers: 2,
  },
});
