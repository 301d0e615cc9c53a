import { defineConfig } from "tsup";

export default defineConfig({
  entry: { index: "src/index.ts", provider: "src/provider.ts" },
  format: ["esm"],
  target: "node20",
  // TypeScript 6 refuses the `baseUrl` that tsup 8 injects (egoist/tsup #1388).
  dts: { compilerOptions: { ignoreDeprecations: "6.0" } },
  clean: true,
  sourcemap: true,
});
