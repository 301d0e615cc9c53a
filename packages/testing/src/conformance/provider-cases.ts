import type { ConformanceCase } from "./case.ts";
import { accessCases } from "./cases/access.ts";
import { ambiguityCases } from "./cases/ambiguity.ts";
import { errorCases } from "./cases/errors.ts";
import { hygieneCases } from "./cases/hygiene.ts";
import { interruptedWorkCases } from "./cases/interrupted-work.ts";
import { lifecycleCases } from "./cases/lifecycle.ts";
import { listingCases } from "./cases/listing.ts";
import { manifestCases } from "./cases/manifest.ts";
import { priceCases } from "./cases/price.ts";
import { recordedCases } from "./cases/recorded.ts";
import { sessionCases } from "./cases/session.ts";
import { spotCases } from "./cases/spot.ts";
import { volumeCases } from "./cases/volumes.ts";

const inOrder: readonly ConformanceCase[] = [
  ...manifestCases,
  ...lifecycleCases,
  ...ambiguityCases,
  ...listingCases,
  ...accessCases,
  ...errorCases,
  ...spotCases,
  ...volumeCases,
  ...priceCases,
  ...interruptedWorkCases,
  ...sessionCases,
  ...hygieneCases,
  ...recordedCases,
];

/** Every rule for providers. Those that look at what the others saw come last. */
export const providerCases: readonly ConformanceCase[] = [
  ...inOrder.filter((one) => one.afterwards !== true),
  ...inOrder.filter((one) => one.afterwards === true),
];
