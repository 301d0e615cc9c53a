import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, open, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { ExecResult, HostSession } from "../../provider/host-session.ts";

/** A HostSession over child processes of this machine: just enough for the agent's tests. */
export function localSession(home: string, options: { env?: Record<string, string>; cacheDir?: string } = {}): HostSession {
  return {
    home,
    cacheDir: options.cacheDir,
    exec: (argv, exec) =>
      new Promise<ExecResult>((resolve, reject) => {
        const child = spawn(argv[0], argv.slice(1), { env: options.env ?? process.env, signal: exec?.signal, cwd: exec?.cwd });
        const out: Buffer[] = [];
        const err: Buffer[] = [];
        child.stdout.on("data", (part: Buffer) => out.push(part));
        child.stderr.on("data", (part: Buffer) => err.push(part));
        child.on("error", reject);
        // "close" waits for the pipes: a guardian that kept them open would hang every test.
        child.on("close", (code, signal) =>
          resolve({
            exitCode: code ?? 128,
            signal: signal ?? undefined,
            stdout: Buffer.concat(out).toString("utf8"),
            stderr: Buffer.concat(err).toString("utf8"),
          }),
        );
        child.stdin.on("error", () => {});
        child.stdin.end(exec?.stdin ?? "");
      }),
    async write(path, data, write) {
      await mkdir(dirname(path), { recursive: true });
      const tmp = `${path}.${randomBytes(6).toString("hex")}.tmp`;
      await writeFile(tmp, data, { mode: write?.mode ?? 0o644 });
      await rename(tmp, path);
    },
    upload: () => Promise.reject(new Error("not used here")),
    download: () => Promise.reject(new Error("not used here")),
    async read(path, offset, maxBytes = 1 << 20) {
      const file = await open(path).catch(() => undefined);
      if (file === undefined) return undefined;
      try {
        const buffer = Buffer.alloc(maxBytes);
        const { bytesRead } = await file.read(buffer, 0, maxBytes, offset);
        return buffer.subarray(0, bytesRead);
      } finally {
        await file.close();
      }
    },
    close: () => Promise.resolve(),
  };
}
