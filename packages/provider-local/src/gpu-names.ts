const MAKERS = new Set(["NVIDIA", "GEFORCE", "TESLA", "QUADRO"]);
// These make another product of the number before them.
const VARIANTS = new Set(["SUPER", "TI"]);

function words(name: string): string[] {
  const list = name.toUpperCase().split(/[^A-Z0-9]+/);
  return list.filter((word) => word !== "" && !MAKERS.has(word));
}

/**
 * Is a GPU what was asked for? Whole words only, so that "A10" is no "A100": "A100" fits "NVIDIA A100-SXM4-80GB", "RTX4090" fits
 * "NVIDIA GeForce RTX 4090", and "RTX 4080" does not fit an "RTX 4080 SUPER".
 */
export function gpuFits(wanted: string, actual: string): boolean {
  const want = words(wanted).join("");
  const have = words(actual);
  if (want === "") return false;
  for (let from = 0; from < have.length; from += 1) {
    let joined = "";
    for (let to = from; to < have.length && joined.length < want.length; to += 1) {
      joined += have[to];
      if (joined === want && !VARIANTS.has(have[to + 1] ?? "")) return true;
    }
  }
  return false;
}
