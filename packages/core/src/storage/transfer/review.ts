import type { ObjectInfo } from "../../provider/object-store.ts";
import type { StorageReview } from "./transfer-types.ts";

const LARGEST = 10;

/** Sums a listing of any length in constant memory (but for the folders directly below). */
export async function reviewObjects(
  location: string,
  objects: AsyncIterable<ObjectInfo>,
  keyOf: (info: ObjectInfo) => string,
): Promise<StorageReview> {
  const review: StorageReview = { location, objects: 0, sizeBytes: 0, largest: [], folders: {} };
  const folders = new Map<string, { objects: number; sizeBytes: number }>();
  for await (const info of objects) {
    review.objects += 1;
    review.sizeBytes += info.sizeBytes;
    if (review.newest === undefined || info.modifiedAt > review.newest.modifiedAt) review.newest = info;
    if (review.oldest === undefined || info.modifiedAt < review.oldest.modifiedAt) review.oldest = info;
    if (review.largest.length < LARGEST || info.sizeBytes > (review.largest.at(-1)?.sizeBytes ?? 0)) {
      review.largest.push(info);
      review.largest.sort((a, b) => b.sizeBytes - a.sizeBytes);
      review.largest.length = Math.min(review.largest.length, LARGEST);
    }
    const key = keyOf(info);
    const name = key.includes("/") ? key.slice(0, key.indexOf("/")) : "";
    const folder = folders.get(name) ?? { objects: 0, sizeBytes: 0 };
    folder.objects += 1;
    folder.sizeBytes += info.sizeBytes;
    folders.set(name, folder);
  }
  review.folders = Object.fromEntries(folders);
  return review;
}
