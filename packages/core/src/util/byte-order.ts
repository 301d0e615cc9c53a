const SURROGATE = /[\uD800-\uDFFF]/;

/**
 * Compares text by its UTF-8 bytes, as object stores and `sort` in the C locale do. JavaScript's `<` compares UTF-16 units,
 * which differs once characters beyond U+FFFF meet characters from U+E000 on.
 */
export function compareBytes(a: string, b: string): number {
  if (a === b) return 0;
  // The engine's own comparison is right, and much faster, whenever no surrogate is involved.
  if (!SURROGATE.test(a) && !SURROGATE.test(b)) return a < b ? -1 : 1;
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a.charCodeAt(i) === b.charCodeAt(i)) i += 1;
  if (i === length) return a.length - b.length;
  const left = a.charCodeAt(i);
  const right = b.charCodeAt(i);
  const leftHigh = left >= 0xd800 && left <= 0xdfff;
  const rightHigh = right >= 0xd800 && right <= 0xdfff;
  if (leftHigh !== rightHigh) return leftHigh ? 1 : -1;
  return left - right;
}
