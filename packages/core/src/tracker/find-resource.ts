import { ValidationError } from "../errors/kinds.ts";
import type { ResourceRef } from "../provider/resource.ts";

/** The thing that `text` names: its text form, or its native id where only one has it. @throws ValidationError when several do. */
export function findById<T extends { id: string; ref: ResourceRef }>(things: readonly T[], text: string): T | undefined {
  const exact = things.find((thing) => thing.id === text);
  if (exact !== undefined) return exact;
  const native = things.filter((thing) => thing.ref.id === text);
  if (native.length > 1) {
    throw new ValidationError({
      what: `The id ${JSON.stringify(text)} names ${native.length} resources.`,
      fix: [`Use the whole form: ${native.map((thing) => thing.id).join(" or ")}.`],
    });
  }
  return native[0];
}
