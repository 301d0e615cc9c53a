import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["@runctl/source"] },
  ssr: { resolve: { conditions: ["@runctl/source"], externalConditions: ["@runctl/source"] } },
  test: {
    include: ["packages/*/src/**/*.test.ts", "packages/*/test/**/*.test.ts", "examples/**/*.test.ts", "acceptance/**/*.test.ts"],
    testTimeout: 30_000,
    // One file at a time: tests with real processes and deadlines of seconds must not starve one another on two cores.
    maxWorkers: 1,
  },
});
