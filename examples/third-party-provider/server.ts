// A cloud of one file, to have something to write a provider for: machines are folders, what runs on them are processes, and the API is
// HTTP on loopback. It is rude on request: `trouble` makes the next calls fail the way real services do.
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream, readdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, open, rename, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";

export interface TinyMachine {
  id: string;
  name: string;
  token: string;
  labels: Record<string, string>;
  state: "running" | "ended";
  created: string;
  ended?: string;
  reason?: string;
  home: string;
}

/** "before": refused without effect. "after": the effect happens, the answer is what is said here. Status 0: no answer, the line is cut. */
export interface Trouble {
  call: string;
  when: "before" | "after";
  status: number;
  body?: object;
  headers?: Record<string, string>;
  times: number;
}

export const PRICE = 0.02;
const PAGE = 2;
const OUTPUT_LIMIT = 8 * 1024 * 1024;

export async function tinyCloud(folder: string, key: string) {
  const machines = new Map<string, TinyMachine>();
  const trouble: Trouble[] = [];
  const running = new Set<ChildProcess>();

  const end = async (machine: TinyMachine, reason: string): Promise<void> => {
    if (machine.state === "ended") return;
    Object.assign(machine, { state: "ended", ended: new Date().toISOString(), reason });
    killAll(`TINY_MACHINE=${machine.id}`);
    await rm(machine.home, { recursive: true, force: true, maxRetries: 5 });
  };

  /** One call of the API. What it gives is the answer; what it throws is an error of the caller. */
  async function answer(call: string, url: URL, request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    if (call === "GET account") return { id: `tiny-${folder.length}-${key.length}` };
    if (call === "GET types") return [{ type: "small", cpus: 1, price: PRICE, currency: "USD", valid: new Date().toISOString() }];
    if (call === "GET permissions") return { missing: trouble.filter(({ status }) => status === 403).map((one) => one.call) };
    if (call === "GET machines") {
      const all = [...machines.values()];
      const from = Number(url.searchParams.get("from") ?? 0);
      return { machines: all.slice(from, from + PAGE), next: from + PAGE < all.length ? from + PAGE : undefined };
    }
    if (call === "POST machines") {
      const wish = (await json(request)) as { token: string; name: string; type: string; labels: Record<string, string> };
      if (wish.type !== "small") throw new Refusal(422, `There is no type ${wish.type}.`);
      const known = [...machines.values()].find((machine) => machine.token === wish.token);
      if (known !== undefined && JSON.stringify(known.labels) !== JSON.stringify(wish.labels))
        throw new Refusal(409, "This token was used for another request.");
      if (known !== undefined) return known;
      const id = `tm-${randomUUID().slice(0, 8)}`;
      const machine: TinyMachine = { ...wish, id, state: "running", created: new Date().toISOString(), home: join(folder, id) };
      machines.set(id, machine);
      await mkdir(machine.home, { recursive: true, mode: 0o700 });
      return machine;
    }
    const machine = machines.get(url.pathname.split("/")[2] ?? "");
    if (machine === undefined) throw new Refusal(404, "There is no such machine.");
    if (call === "GET machine") return machine;
    if (call === "DELETE machine") return end(machine, "ended by its owner");
    if (machine.state === "ended") throw new Refusal(410, `The machine has ended: ${machine.reason}.`);
    if (call === "PATCH machine") return Object.assign(machine.labels, await json(request)) && machine;
    const path = resolve(machine.home, url.searchParams.get("path") ?? ".");
    if (call === "PUT file") {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const temporary = `${path}.${randomUUID()}.tmp`;
      try {
        await pipeline(request, createWriteStream(temporary));
        await chmod(temporary, Number(url.searchParams.get("mode") ?? 0o600));
        await rename(temporary, path);
      } finally {
        await rm(temporary, { force: true });
      }
      return undefined;
    }
    if (call === "GET file") {
      const file = await open(path).catch(() => undefined);
      if (file === undefined || !(await file.stat()).isFile()) throw new Refusal(404, "There is no such file.");
      await file.close();
      const start = Number(url.searchParams.get("offset") ?? 0);
      const count = Number(url.searchParams.get("max") ?? Number.MAX_SAFE_INTEGER);
      await pipeline(createReadStream(path, { start, end: start + count - 1 }), response);
      return DONE;
    }
    if (call === "POST exec") return exec(machine, (await json(request)) as ExecWish, response);
    throw new Refusal(404, `There is no ${call}.`);
  }

  /** Runs a command to its end. When the caller hangs up or the time is over, the command and what it started are killed. */
  function exec(machine: TinyMachine, wish: ExecWish, response: ServerResponse): Promise<unknown> {
    const mark = `TINY_EXEC=${randomUUID()}`;
    return new Promise((done, fail) => {
      const [program = "", ...args] = wish.argv;
      const child = spawn(program, args, {
        cwd: resolve(machine.home, wish.cwd ?? "."),
        env: {
          PATH: process.env.PATH,
          HOME: process.env.HOME,
          ...wish.env,
          TINY_MACHINE: machine.id,
          TINY_EXEC: mark.slice(10),
          RUNCTL_HOME: machine.home,
        },
        detached: true,
      });
      running.add(child);
      const output = { stdout: new Kept(), stderr: new Kept() };
      child.stdout.on("data", (chunk: Buffer) => output.stdout.add(chunk));
      child.stderr.on("data", (chunk: Buffer) => output.stderr.add(chunk));
      child.stdin.on("error", () => undefined).end(Buffer.from(wish.stdin ?? "", "base64"));
      let timedOut = false;
      const stop = (): void => killAll(mark);
      const timer =
        wish.timeoutMs === undefined
          ? undefined
          : setTimeout(() => {
              timedOut = true;
              stop();
            }, wish.timeoutMs);
      response.on("close", stop);
      child.on("error", (error) => fail(new Refusal(422, error.message)));
      child.on("close", (code, signal) => {
        running.delete(child);
        clearTimeout(timer);
        response.off("close", stop);
        done({ exitCode: code ?? 137, signal, timedOut, stdout: output.stdout.text(), stderr: output.stderr.text() });
      });
    });
  }

  const server = createServer((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? "/", "http://tiny");
      const [, kind = "", id, part] = url.pathname.split("/");
      const call = `${request.method} ${part ?? (kind === "machines" && id !== undefined ? "machine" : kind)}`;
      const own = trouble.find((one) => one.call === call);
      if (own !== undefined && --own.times <= 0) trouble.splice(trouble.indexOf(own), 1);
      try {
        if (request.headers.authorization !== `Bearer ${key}`) throw new Refusal(401, "The key is not known.");
        const result = own?.when === "before" ? undefined : await answer(call, url, request, response);
        if (own !== undefined) {
          if (own.status === 0) return void request.socket.destroy();
          return void response.writeHead(own.status, own.headers).end(JSON.stringify(own.body ?? { message: "Something went wrong." }));
        }
        if (result !== DONE) response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(result ?? {}));
      } catch (error) {
        if (response.headersSent) return void response.destroy();
        const status = error instanceof Refusal ? error.status : 500;
        response.writeHead(status).end(JSON.stringify({ message: error instanceof Error ? error.message : String(error) }));
      }
    })();
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    machines,
    trouble,
    /** What the market does without a notice. */
    take: (id: string) => end(machines.get(id) as TinyMachine, "taken back by the market"),
    /** What everything has cost until now. */
    bill: (): number =>
      [...machines.values()].reduce(
        (sum, { created, ended }) => sum + ((Date.parse(ended ?? new Date().toISOString()) - Date.parse(created)) / 3_600_000) * PRICE,
        0,
      ),
    async close(): Promise<void> {
      for (const machine of machines.values()) await end(machine, "the cloud closes");
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

interface ExecWish {
  argv: string[];
  stdin?: string;
  cwd?: string;
  env?: Record<string, string>;
  timeoutMs?: number;
}

const DONE = Symbol("answered already");

class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The beginning of a stream, whole characters only once it is read. */
class Kept {
  readonly #chunks: Buffer[] = [];
  #size = 0;
  add(chunk: Buffer): void {
    const part = chunk.subarray(0, OUTPUT_LIMIT - this.#size);
    this.#chunks.push(part);
    this.#size += part.length;
  }
  text(): string {
    return Buffer.concat(this.#chunks).toString("utf8");
  }
}

async function json(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

/** SIGKILL to every process whose environment carries the mark, until none is left. */
function killAll(mark: string): void {
  for (let found = true; found; ) {
    found = false;
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        if (!readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(mark)) continue;
        process.kill(Number(pid), "SIGKILL");
        found = true;
      } catch {
        // Gone already, or not ours to see.
      }
    }
  }
}
