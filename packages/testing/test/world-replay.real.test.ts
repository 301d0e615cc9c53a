import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { history } from "./support/history.ts";

it("another process replays a seed to the same digest", async () => {
  const world = await history("replay");
  const here = world.digest({ now: true });
  world.dispose();
  const script = fileURLToPath(new URL("support/print-history.ts", import.meta.url));
  const there = execFileSync(process.execPath, ["--import", "tsx", "--conditions=@runctl/source", script, "replay"], { encoding: "utf8" });
  expect(there).toBe(here);
});
