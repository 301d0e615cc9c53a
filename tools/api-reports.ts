// The public API of each entry point as a text in git (packages/*/etc/*.api.md): a change of it is a change that a reviewer sees.
// Without arguments: fails when a report differs. With --update: writes the reports.
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { Extractor, ExtractorConfig, ExtractorLogLevel } from "@microsoft/api-extractor";
import { packages, root } from "./lib/workspace.ts";

const update = process.argv.includes("--update");
const temp = join(root, "temp", "api");
mkdirSync(temp, { recursive: true });

for (const { name, folder, entries } of packages()) {
  for (const entry of entries) {
    const title = entry === "index" ? name : `${name}/${entry}`;
    const unscoped = name.replace(/^@runctl\//, "");
    const report = `${unscoped}${entry === "index" ? "" : `-${entry}`}.api.md`;
    const problems: string[] = [];
    const config = ExtractorConfig.prepare({
      configObjectFullPath: join(folder, "api-extractor.json"),
      packageJsonFullPath: join(folder, "package.json"),
      configObject: {
        projectFolder: folder,
        mainEntryPointFilePath: join(folder, "dist", `${entry}.d.ts`),
        newlineKind: "lf",
        compiler: {
          overrideTsconfig: {
            compilerOptions: {
              target: "ES2022",
              lib: ["ES2023", "ESNext.Disposable"],
              module: "NodeNext",
              moduleResolution: "NodeNext",
              types: ["node"],
              strict: true,
              skipLibCheck: true,
            },
            files: [join(folder, "dist", `${entry}.d.ts`)],
          },
        },
        apiReport: { enabled: true, reportFileName: report, reportFolder: join(folder, "etc"), reportTempFolder: temp },
        docModel: { enabled: false },
        dtsRollup: { enabled: false },
        tsdocMetadata: { enabled: false },
        messages: {
          compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.Error } },
          extractorMessageReporting: {
            default: { logLevel: ExtractorLogLevel.Error },
            // Everything exported is public; there are no release tags to forget.
            "ae-missing-release-tag": { logLevel: ExtractorLogLevel.None },
            // The types behind a signature that nobody needs to name.
            "ae-forgotten-export": { logLevel: ExtractorLogLevel.None, addToApiReportFile: false },
            // The docstring rule is typedoc's and the reviewers': an error class's inherited static needs none.
            "ae-undocumented": { logLevel: ExtractorLogLevel.None },
            "ae-unresolved-link": { logLevel: ExtractorLogLevel.None },
          },
          tsdocMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
        },
      },
    });
    const result = Extractor.invoke(config, {
      localBuild: update,
      messageCallback: (message) => {
        message.handled = true;
        if (message.logLevel === ExtractorLogLevel.Error) problems.push(message.formatMessageWithLocation(root));
      },
    });
    if (problems.length > 0) fail(title, problems.join("\n"));
    else if (!update && result.apiReportChanged) fail(title, difference(join(folder, "etc", report), join(temp, report)));
    else console.log(`PASS API report of ${title}`);
  }
}
rmSync(temp, { recursive: true, force: true });

function fail(title: string, why: string): void {
  console.log(`FAIL API report of ${title}\n${why}`);
  process.exitCode = 1;
}

/** Lines that left and lines that came: enough to see what changed. */
function difference(committed: string, built: string): string {
  const shown = relative(root, committed);
  if (!existsSync(committed)) return `${shown} is missing: build, then run the root script update:api.`;
  const before = readFileSync(committed, "utf8").split("\n");
  const after = readFileSync(built, "utf8").split("\n");
  const gone = before.filter((line) => !after.includes(line)).map((line) => `- ${line}`);
  const come = after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`);
  return [`${shown} differs from the build. When that is wanted: build, then run the root script update:api.`, ...gone, ...come]
    .slice(0, 60)
    .join("\n");
}
