import type { HostHooks } from "@runctl/core/provider";

/**
 * The hooks of a cloud whose machines are simulated hosts: the notice can be read, and a machine that nobody ends switches itself off, or
 * ends itself through the cloud's API where power off keeps billing ("host-calls-api"). "none": it cannot.
 */
export function simulatedHooks(guard: "os-poweroff" | "host-calls-api" | "none" = "os-poweroff"): HostHooks {
  const notice = "print-notice";
  if (guard === "none") return { notice };
  const end = guard === "os-poweroff" ? "poweroff" : "end-this-machine";
  return { notice, stop: end, terminate: end };
}
