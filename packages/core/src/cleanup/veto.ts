import type { Notice } from "../provider/plan.ts";

/** Why something is kept. `force`: whether force overrides it (age and activity only). */
export interface Veto extends Notice {
  force: boolean;
}

export function veto(id: string, what: string, why: string, fix: string[], force: boolean = false): Veto {
  return { id, what, why, fix, force };
}
