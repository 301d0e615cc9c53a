import type { HostSession } from "@runctl/core/provider";
import { HOST_CLIENT, type HostClient, type ModelledHostSession } from "@runctl/core/seams";

/** Called around every call of a session; may refuse it, delay it, or never answer. `call` may be made once, or not at all. */
export type Around = <T>(op: string, call: () => Promise<T>) => Promise<T>;

/**
 * A session all of whose calls go through `around`: a process that can be killed, or a network that can be cut, in front of any host, real or
 * modelled. Operations are named as HostSession's and HostClient's methods ("exec", "read", "start", "observe", …). `watched` is asked before
 * each call back of a watch: false keeps it from arriving.
 */
export function wrapSession(session: HostSession, around: Around, watched: () => boolean = () => true): HostSession {
  const wrapped: HostSession = {
    home: session.home,
    cacheDir: session.cacheDir,
    exec: (argv, options) => around("exec", () => session.exec(argv, options)),
    write: (path, data, options) => around("write", () => session.write(path, data, options)),
    upload: (from, to, options) => around("upload", () => session.upload(from, to, options)),
    download: (from, to, options) => around("download", () => session.download(from, to, options)),
    read: (path, offset, maxBytes) => around("read", () => session.read(path, offset, maxBytes)),
    close: () => around("close", () => session.close()),
  };
  if (session.watch !== undefined) {
    wrapped.watch = (path, onChange) =>
      session.watch?.(path, () => {
        if (watched()) onChange();
      }) ?? (() => undefined);
  }
  const client = (session as Partial<ModelledHostSession>)[HOST_CLIENT];
  return client === undefined ? wrapped : Object.assign(wrapped, { [HOST_CLIENT]: wrapClient(client, session, around) });
}

/** Whatever session the caller names, the model is told its own. */
function wrapClient(client: HostClient, session: HostSession, around: Around): HostClient {
  return {
    start: (_, file, secrets, options) => around("start", () => client.start(session, file, secrets, options)),
    observe: (_, runId, attempt, options) => around("observe", () => client.observe(session, runId, attempt, options)),
    control: (_, runId, attempt, command) => around("control", () => client.control(session, runId, attempt, command)),
    readLog: (_, runId, attempt, which, offset, maxBytes) =>
      around("readLog", () => client.readLog(session, runId, attempt, which, offset, maxBytes)),
    attemptDir: (_, runId, attempt) => client.attemptDir(session, runId, attempt),
  };
}
