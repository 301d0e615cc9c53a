// What every tool needs to know of this workspace.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pnpmCommand } from "./pnpm.mjs";

/** The folder of the checkout. */
export const root = join(import.meta.dirname, "..", "..");

/** A package of packages/, as its package.json says. */
export interface WorkspacePackage {
  name: string;
  /** Absolute folder. */
  folder: string;
  /** Entry points by file name without extension: "index", "provider". */
  entries: string[];
}

/** Every package of packages/, those without dependencies on the others first. */
export function packages(): WorkspacePackage[] {
  const found = readdirSync(join(root, "packages"))
    .map((name) => join(root, "packages", name))
    .filter((folder) => existsSync(join(folder, "package.json")))
    .map((folder) => {
      const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
        name: string;
        exports: Record<string, string | { types: string }>;
      };
      const entries = Object.values(manifest.exports).flatMap((entry) =>
        typeof entry === "string" ? [] : [entry.types.replace(/^\.\/dist\/(.*)\.d\.ts$/, "$1")],
      );
      return { name: manifest.name, folder, entries };
    });
  return found.sort((a, b) => Number(b.name === "@runctl/core") - Number(a.name === "@runctl/core"));
}

/** Packs a package as it would be published and returns the tarball's absolute path. */
export function pack(folder: string, to: string): string {
  const [program = "pnpm", ...args] = pnpmCommand();
  const said = execFileSync(program, [...args, "pack", "--json", "--pack-destination", to], { cwd: folder, encoding: "utf8" });
  const { filename } = JSON.parse(said.slice(said.indexOf("{"))) as { filename: string };
  return filename.startsWith("/") ? filename : join(to, filename);
}
