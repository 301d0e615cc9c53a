import type { HostSession } from "@runctl/core/provider";
import { HOST_CLIENT, type HostClient, type ModelledHostSession } from "@runctl/core/seams";
import type { StartInSteps } from "../hosts/simulated-session.ts";
import type { Gate } from "./gate.ts";

/** A way onto a machine as one process sees it: every call through its gate. `machine` names it in the record. */
export function gatedSession(session: HostSession, gate: Gate, machine: string): HostSession {
  const watch = session.watch?.bind(session);
  const gated: HostSession = {
    home: session.home,
    ...(session.cacheDir === undefined ? {} : { cacheDir: session.cacheDir }),
    exec: (argv, options) => gate.call("host", "exec", `${machine} ${argv[0]}`, true, () => session.exec(argv, options)),
    write: (path, data, options) => gate.call("host", "write", `${machine} ${path}`, true, () => session.write(path, data, options)),
    upload: (local, path, options) => gate.call("host", "upload", `${machine} ${path}`, true, () => session.upload(local, path, options)),
    download: (path, local, options) =>
      gate.call("host", "download", `${machine} ${path}`, false, () => session.download(path, local, options)),
    read: (path, offset, maxBytes) => gate.call("host", "read", `${machine} ${path}`, false, () => session.read(path, offset, maxBytes)),
    ...(watch === undefined ? {} : { watch: (path, onChange) => watch(path, () => gate.deliver(onChange)) }),
    close: () => session.close(),
  };
  const client = (session as Partial<ModelledHostSession>)[HOST_CLIENT];
  if (client === undefined) return gated;
  return Object.assign(gated, { [HOST_CLIENT]: gatedClient(client, session, gate, machine) });
}

/** A start is two steps on the machine, and the process can die between them. */
function inSteps(gate: Gate, what: string): StartInSteps {
  return { betweenSteps: () => gate.between("host", "start#1", `${what}: its file is there, not armed`) };
}

/** The model's own client gets the model's own session, not the gated one. */
function gatedClient(client: HostClient, session: HostSession, gate: Gate, machine: string): HostClient {
  return {
    start: (_gated, attempt, secrets, options) =>
      gate.call("host", "start", `${machine} ${attempt.runId}/${attempt.attempt}`, true, () =>
        client.start(session, attempt, secrets, { ...options, ...inSteps(gate, `${machine} ${attempt.runId}/${attempt.attempt}`) }),
      ),
    observe: (_gated, runId, attempt, options) =>
      gate.call("host", "observe", `${machine} ${runId}/${attempt}`, false, () => client.observe(session, runId, attempt, options)),
    control: (_gated, runId, attempt, command) =>
      gate.call("host", "control", `${machine} ${runId}/${attempt} ${command.op}`, true, () =>
        client.control(session, runId, attempt, command),
      ),
    readLog: (_gated, runId, attempt, which, offset, maxBytes) =>
      gate.call("host", "readLog", `${machine} ${runId}/${attempt} ${which}`, false, () =>
        client.readLog(session, runId, attempt, which, offset, maxBytes),
      ),
    attemptDir: (_gated, runId, attempt) => client.attemptDir(session, runId, attempt),
  };
}
