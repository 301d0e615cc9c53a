// The arrows of docs/architecture.md: data flows one way, and so do imports.

/** Inside core: a room may import its own tier and everything below, never above. Highest first. */
const TIERS = [
  ["runctl", "parts", "index", "handle-signals"],
  ["engine"],
  ["planner", "cleanup", "registry", "purchase", "tracker", "machines", "volumes", "images"],
  ["spec", "events", "state", "storage", "code", "checkpoint", "host", "cost", "metrics"],
  ["provider", "errors", "retry", "util"],
];
/** Of a tier's rooms, as a path inside packages/core/src: the room's folder, or the file of that name. */
const rooms = (names) => `^packages/core/src/(${names.join("|")})(/|\\.ts$)`;
const TEST = "\\.test\\.ts$|test-helper\\.ts$|test-support\\.ts$|/testing/|/test/";
const VENDOR_SDKS = "node_modules/(@aws-sdk|@smithy|graphql|graphql-request)/";

const downOnly = TIERS.slice(1).map((lower, index) => ({
  name: `core-down-only-${lower[0]}`,
  comment: `Imports inside core point down: ${lower.join(", ")} may not import from ${TIERS.slice(0, index + 1)
    .flat()
    .join(", ")}.`,
  severity: "error",
  // provider.ts beside the folder provider/ is the entry point for implementers: it may show anything of its own tier, nothing above.
  from: { path: rooms(lower), pathNot: TEST },
  to: { path: rooms(TIERS.slice(0, index + 1).flat()) },
}));

module.exports = {
  forbidden: [
    ...downOnly,
    {
      name: "no-cycles",
      comment: "A cycle means that two files are one, or that a third is missing.",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "no-type-cycles",
      comment: "Types are erased, so nothing breaks; still worth a look.",
      severity: "info",
      from: {},
      to: { circular: true },
    },
    {
      name: "pure-decisions",
      comment: "evolve and decide carry the decisions: no input or output, no clock, no other room's effects.",
      severity: "error",
      from: { path: "^packages/core/src/engine/(evolve|decide)[^/]*\\.ts$", pathNot: TEST },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "core-imports-no-provider",
      comment: "Core knows the contract, never an implementation. (Tests of several rooms may.)",
      severity: "error",
      from: { path: "^packages/core/src", pathNot: TEST },
      to: { path: "^packages/(?!core/)|/@runctl/" },
    },
    {
      name: "provider-imports-contract-only",
      comment: "A provider imports @runctl/core/provider, @runctl/ssh where needed, and its own vendor SDK.",
      severity: "error",
      from: { path: "^packages/(provider-[^/]+)/src", pathNot: TEST },
      to: {
        path: "^packages/",
        pathNot: "^packages/core/(src/provider\\.ts|dist/provider\\.(d\\.ts|js))$|^packages/ssh/|^packages/$1/src/",
      },
    },
    {
      name: "adapters-only",
      comment: "Only *-adapter.ts imports a vendor SDK: the rules are tested without the vendor.",
      severity: "error",
      from: { path: "^packages/", pathNot: `-adapter\\.ts$|${TEST}` },
      to: { path: VENDOR_SDKS },
    },
    {
      name: "no-tests-from-sources",
      severity: "error",
      from: { path: "^packages/[^/]+/src", pathNot: TEST },
      to: { path: TEST },
    },
    {
      name: "declared-dependencies-only",
      comment: "What ships must be in `dependencies`.",
      severity: "error",
      from: { path: "^packages/[^/]+/src", pathNot: TEST },
      // Packages of this workspace resolve to their sources and count as undetermined; knip checks that those are declared.
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown", "unknown"], dependencyTypesNot: ["type-only", "npm"] },
    },
    { name: "resolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "/dist/|/node_modules/\\.cache/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["@runctl/source", "types", "import", "node", "default"],
      extensions: [".ts", ".mjs", ".js", ".cjs", ".json"],
    },
  },
};
