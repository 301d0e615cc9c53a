import { createReadStream } from "node:fs";
import { mkdir, readdir, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { Readable } from "node:stream";
import { type HostSession, NotFoundError, TimeoutError } from "@runctl/core/provider";
import { unreachable } from "./errors.ts";

/** What the service says of a machine. */
export interface TinyMachine {
  id: string;
  name: string;
  labels: Record<string, string>;
  state: "running" | "ended";
  created: string;
  ended?: string;
  reason?: string;
  home: string;
}

export interface CallOptions {
  method?: string;
  body?: unknown;
  signal?: AbortSignal | undefined;
  /** The call may have bought something when no answer came. */
  buys?: boolean;
}

/** Commands and files on one machine. */
export function session({ id, home }: TinyMachine, call: (path: string, options?: CallOptions) => Promise<Response>): HostSession {
  let closed = false;
  const reach = async (path: string, options: CallOptions = {}): Promise<Response> => {
    if (closed) throw unreachable(id, "the session was closed");
    try {
      return await call(`/machines/${id}${path}`, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (TimeoutError.isInstance(error) || (NotFoundError.isInstance(error) && error.context.status === 410)) throw unreachable(id);
      throw error;
    }
  };
  const put = async (path: string, body: unknown, mode: number, signal?: AbortSignal): Promise<void> => {
    await reach(`/file?path=${encodeURIComponent(path)}&mode=${mode}`, { method: "PUT", body, signal });
  };
  const read = async (path: string, offset: number, maxBytes = 1024 * 1024): Promise<Uint8Array | undefined> => {
    try {
      return new Uint8Array(await (await reach(`/file?path=${encodeURIComponent(path)}&offset=${offset}&max=${maxBytes}`)).arrayBuffer());
    } catch (error) {
      if (NotFoundError.isInstance(error)) return undefined;
      throw error;
    }
  };
  const exec: HostSession["exec"] = async (argv, { stdin, cwd, env, timeoutMs, signal } = {}) => {
    const body = { argv, cwd, env, timeoutMs, stdin: stdin === undefined ? undefined : Buffer.from(stdin).toString("base64") };
    const response = await reach("/exec", { method: "POST", body, signal });
    const {
      timedOut,
      signal: by,
      ...result
    } = (await response.json()) as { exitCode: number; signal: string | null; stdout: string; stderr: string; timedOut: boolean };
    if (timedOut) throw new TimeoutError({ what: `${argv[0]} did not end within ${timeoutMs} ms.`, provider: "tiny" });
    return { ...result, ...(by === null ? {} : { signal: by }) };
  };
  return {
    home,
    exec,
    read,
    write: (path, data, { mode = 0o600 } = {}) => put(path, Readable.from([Buffer.from(data as string)]), mode),
    async upload(localPath, hostPath, { signal } = {}) {
      for (const file of await filesBelow(localPath)) {
        const target = file === localPath ? hostPath : join(hostPath, relative(localPath, file));
        await put(target, createReadStream(file), (await stat(file)).mode & 0o777, signal);
      }
    },
    async download(hostPath, localPath, { signal } = {}) {
      const { stdout, exitCode } = await exec(["find", hostPath, "-type", "f", "-printf", "%P\\0"], { signal });
      if (exitCode !== 0) throw new NotFoundError({ what: `There is no ${hostPath} on ${id}.`, provider: "tiny" });
      for (const name of stdout.split("\0").slice(0, -1)) {
        const target = name === "" ? localPath : join(localPath, name);
        await mkdir(dirname(target), { recursive: true });
        const response = await reach(`/file?path=${encodeURIComponent(name === "" ? hostPath : join(hostPath, name))}`, { signal });
        await writeFile(`${target}.tmp`, Readable.fromWeb(response.body as never));
        await rename(`${target}.tmp`, target);
      }
    },
    async close() {
      closed = true;
    },
  };
}

/** The file itself, or every file below the folder. */
async function filesBelow(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
