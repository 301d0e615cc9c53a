import type { Offer } from "../provider/offer.ts";

const VENDOR_WORDS = new Set(["nvidia", "amd", "geforce", "tesla", "quadro", "instinct", "gpu"]);
/** Words that make another product of the same number. */
const PRODUCT_WORDS = new Set(["super", "ti", "laptop", "mobile", "max", "ada"]);

/**
 * Place of the first wish that the offer fulfils (0 is best liked); undefined when it fulfils none. "A100" is any A100;
 * "RTX 4080" is not an "RTX 4080 SUPER". Without wishes every offer is at place 0.
 */
export function wishPlace(offer: Offer, wishes: ReadonlyArray<{ name: string; count: number }>): number | undefined {
  if (wishes.length === 0) return 0;
  const place = wishes.findIndex((wish) => offer.accelerators.some((gpu) => gpu.count >= wish.count && sameGpu(wish.name, gpu.name)));
  return place === -1 ? undefined : place;
}

/** Whether an offered accelerator is what is meant by a name. */
export function sameGpu(wish: string, offered: string): boolean {
  const wanted = words(wish);
  const given = words(offered);
  if (wanted.length === 0) return false;
  if (wanted.join("") === given.join("")) return true;
  return wanted.every((word) => given.includes(word)) && given.every((word) => !PRODUCT_WORDS.has(word) || wanted.includes(word));
}

function words(name: string): string[] {
  return name
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== "" && !VENDOR_WORDS.has(word));
}
