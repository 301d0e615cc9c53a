// Clock and randomness come in from outside: only `util/` may ask the platform for them. Everything else would not run under a virtual clock.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import ts from "typescript";

const root = join(import.meta.dirname, "..");
const packages = join(root, "packages");
/** Test code may use the real clock; so do the bounds on real work in `packages/testing/src/clock/event-loop.ts`. */
const isExempt = (path: string): boolean =>
  !/^[^/]+\/src\//.test(path) ||
  /^core\/src\/util\/|^testing\/src\/clock\/event-loop\.ts$|\.test\.ts$|test-helper\.ts$|test-support\.ts$|\/src\/.*\/testing\//.test(path);

const MEMBERS = new Set([
  "Date.now",
  "performance.now",
  "Math.random",
  "AbortSignal.timeout",
  "crypto.randomUUID",
  "crypto.getRandomValues",
]);
const CALLS = new Set(["setTimeout", "setInterval", "randomUUID", "randomBytes", "randomInt"]);
const MODULES = new Set(["node:timers", "node:timers/promises", "node:perf_hooks", "timers", "timers/promises"]);

const findings: string[] = [];
let files = 0;
const paths = readdirSync(packages).flatMap((name) =>
  readdirSync(join(packages, name, "src"), { recursive: true, encoding: "utf8" }).map((path) => `${name}/src/${path}`),
);
for (const path of paths.sort()) {
  if (!path.endsWith(".ts") || path.endsWith(".generated.ts") || isExempt(path)) continue;
  files += 1;
  const file = join(packages, path);
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.ES2022, true);
  visit(source, source);
}

function visit(node: ts.Node, source: ts.SourceFile): void {
  const found = forbidden(node);
  if (found !== undefined) {
    const { line } = source.getLineAndCharacterOfPosition(node.getStart());
    findings.push(`${relative(root, source.fileName)}:${line + 1} ${found}`);
  }
  ts.forEachChild(node, (child) => visit(child, source));
}

function forbidden(node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node)) {
    const name = `${node.expression.getText().replace(/^globalThis\./, "")}.${node.name.text}`;
    return MEMBERS.has(name) ? name : undefined;
  }
  if (ts.isNewExpression(node) && node.expression.getText() === "Date" && (node.arguments?.length ?? 0) === 0)
    return "new Date() without an argument";
  if (ts.isIdentifier(node) && CALLS.has(node.text) && !isName(node)) return node.text;
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier) && MODULES.has(node.moduleSpecifier.text)) {
    return `import of ${node.moduleSpecifier.text}`;
  }
  return undefined;
}

/** A member or declaration that only bears the name, such as `clock.setTimeout`, is no use of the platform's. */
function isName(node: ts.Identifier): boolean {
  const parent = node.parent;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node && parent.expression.getText() !== "globalThis";
  return (
    ts.isPropertyAssignment(parent) || ts.isMethodSignature(parent) || ts.isPropertySignature(parent) || ts.isMethodDeclaration(parent)
  );
}

if (findings.length > 0) {
  console.error(
    `Take these from the injected Clock or Random (util/clock.ts, util/random.ts):\n${findings.map((line) => `  ${line}`).join("\n")}`,
  );
  process.exitCode = 1;
} else {
  console.log(`${files} files ask no platform clock and no platform randomness`);
}
