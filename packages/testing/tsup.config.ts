import { defineConfig } from "tsup";

export default defineConfig({
  entry: { index: "src/index.ts", "runctl-conformance": "src/bin/runctl-conformance.ts" },
  format: ["esm"],
  target: "node20",
  external: [/^@runctl\//],
  dts: {
    // TypeScript 6 refuses the `baseUrl` that tsup 8 injects (egoist/tsup #1388).
    compilerOptions: { ignoreDeprecations: "6.0" },
    // What `await using` and the Node types in the signatures need, whatever the user's own tsconfig names.
    banner: '/// <reference lib="esnext.disposable" />\n/// <reference types="node" />',
  },
  clean: true,
  sourcemap: true,
  // The sources are in the tarball, beside the maps that name them.
  esbuildOptions: (options) => {
    options.sourcesContent = false;
  },
});
