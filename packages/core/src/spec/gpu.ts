import { invalidValue } from "./invalid.ts";

const MAX_COUNT = 64;

/**
 * Accelerators from "A100:2", "RTX 4080 SUPER" or an array of such, best liked first; the same wish twice counts once.
 * @throws ValidationError naming the wish.
 */
export function parseGpus(value: string | readonly string[] | undefined): Array<{ name: string; count: number }> {
  if (value === undefined) return [];
  const wishes = typeof value === "string" ? [value] : value;
  const gpus = wishes.map((wish, index) => parseGpu(wish, typeof value === "string" ? "resources.gpu" : `resources.gpu[${index}]`));
  return gpus.filter((gpu, index) => gpus.findIndex((other) => other.name === gpu.name && other.count === gpu.count) === index);
}

function parseGpu(wish: string, field: string): { name: string; count: number } {
  const refuse = (why: string) =>
    invalidValue({
      field,
      value: wish,
      expected: `an accelerator's name, optionally with a count from 1 to ${MAX_COUNT}`,
      example: '"A100:2"',
      why,
    });
  const colon = wish.lastIndexOf(":");
  const name = (colon < 0 ? wish : wish.slice(0, colon)).trim();
  const count = colon < 0 ? "1" : wish.slice(colon + 1).trim();
  if (name === "") throw refuse("The name is empty.");
  if (!/^[A-Za-z0-9][A-Za-z0-9 ._+/-]*$/.test(name)) {
    throw refuse(
      /^\d+\s*[x*]/i.test(name) || name.includes(":")
        ? "The count stands last, after one colon."
        : "Names consist of letters, digits, spaces and . _ + / -",
    );
  }
  if (!/^\d{1,3}$/.test(count) || Number(count) < 1 || Number(count) > MAX_COUNT)
    throw refuse("The count is not a whole number in that range.");
  if (/^\d+$/.test(name)) throw refuse("A number alone names no accelerator.");
  return { name, count: Number(count) };
}
