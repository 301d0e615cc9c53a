import { ValidationError } from "../errors/kinds.ts";
import { invalidValue } from "../spec/invalid.ts";

const DOWNLOADS = ["outputs", "checkpoints", "logs"] as const;
/** A reason is a sentence, and it stays in the run's log for ever. */
const MAX_REASON = 1_000;

/** Checks why a run is ended, before it is written for ever. @throws ValidationError */
export function checkReason(reason: unknown): void {
  if (reason === undefined || (typeof reason === "string" && reason.length <= MAX_REASON)) return;
  throw invalidValue({
    field: "reason",
    value: reason,
    expected: `text of at most ${MAX_REASON} characters`,
    example: '"no longer needed"',
  });
}

/** Checks which attempt's lines are asked for. @throws ValidationError */
export function checkAttempt(attempt: unknown): void {
  if (attempt === undefined || (typeof attempt === "number" && Number.isInteger(attempt) && attempt >= 1)) return;
  throw invalidValue({ field: "attempt", value: attempt, expected: "the number of an attempt, from 1", example: "1" });
}

/** Checks what is downloaded, and where to, before a folder is made. @throws ValidationError */
export function checkDownload(what: unknown, to: unknown): void {
  if (!DOWNLOADS.some((each) => each === what)) {
    throw invalidValue({ field: "what", value: what, expected: `one of ${DOWNLOADS.join(", ")}`, example: '"outputs"' });
  }
  if (typeof to !== "string" || to === "") {
    throw invalidValue({ field: "to", value: to, expected: "the path of a folder", example: '"results"' });
  }
  if (to.includes("\0")) {
    throw new ValidationError({ what: "to contains a NUL character.", fix: ["Remove it: paths end at a NUL."] });
  }
}
