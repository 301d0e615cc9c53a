import type { HostSession } from "@runctl/core/provider";
import { HOST_CLIENT, type HostClient, type ModelledHostSession } from "@runctl/core/seams";

/** Lets a call through to the machine, or fails it as the network between them does. */
export type HostGate = <T>(work: () => Promise<T>, signal?: AbortSignal | undefined) => Promise<T>;

/** A session whose every call passes the network: cut, lost and delayed like the rest, and dead once the machine is off. */
export function gatedSession(inner: HostSession, gate: HostGate, isReachable: () => boolean): HostSession {
  const outer: HostSession = {
    home: inner.home,
    ...(inner.cacheDir === undefined ? {} : { cacheDir: inner.cacheDir }),
    exec: (argv, options) => gate(() => inner.exec(argv, options), options?.signal),
    write: (path, data, options) => gate(() => inner.write(path, data, options)),
    upload: (from, to, options) => gate(() => inner.upload(from, to, options), options?.signal),
    download: (from, to, options) => gate(() => inner.download(from, to, options), options?.signal),
    read: (path, offset, maxBytes) => gate(() => inner.read(path, offset, maxBytes)),
    close: () => inner.close(),
  };
  // What changes while the way is cut is not heard of.
  if (inner.watch !== undefined)
    outer.watch = (path, onChange) => inner.watch?.(path, () => isReachable() && onChange()) ?? (() => undefined);
  const client = (inner as Partial<ModelledHostSession>)[HOST_CLIENT];
  return client === undefined ? outer : Object.assign(outer, { [HOST_CLIENT]: gatedClient(client, inner, gate) });
}

function gatedClient(client: HostClient, inner: HostSession, gate: HostGate): HostClient {
  return {
    start: (_session, attempt, secrets, options) => gate(() => client.start(inner, attempt, secrets, options), options?.signal),
    observe: (_session, runId, attempt, options) => gate(() => client.observe(inner, runId, attempt, options)),
    control: (_session, runId, attempt, command) => gate(() => client.control(inner, runId, attempt, command)),
    readLog: (_session, runId, attempt, which, offset, maxBytes) =>
      gate(() => client.readLog(inner, runId, attempt, which, offset, maxBytes)),
    attemptDir: (_session, runId, attempt) => client.attemptDir(inner, runId, attempt),
  };
}
