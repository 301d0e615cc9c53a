import { SeededRandom } from "../clock/seeded-random.ts";

/** One simulated run under a budget. Times in seconds, amounts in US dollars. */
export interface BudgetCase {
  seed: number;
  budgetUsd: number;
  market: "on-demand" | "spot" | "spot-then-on-demand";
  onDemandPrice: number;
  /** [at, price per hour]; never above `maxPrice`. */
  spotPrices: Array<[at: number, price: number]>;
  /** What spot offers name as the most they can cost. */
  maxPrice: number;
  noticeSeconds: number;
  /** Mean time between two reclaims of one machine; undefined: never. */
  meanReclaimSeconds?: number | undefined;
  /** Steps of 10 s. Often more than the budget buys. */
  steps: number;
  saveEverySteps: number;
  saveSeconds: number;
  uploadSeconds: number;
  setupSeconds: number;
  graceSeconds: number;
  onSignal: "save" | "exit" | "ignore";
  pendingSeconds: number;
  endingSeconds: number;
  /** The controller dies at `at`, and the next one comes `goneFor` later. */
  deaths: Array<{ at: number; goneFor: number }>;
}

/** The case of a seed: one seed, one case. Times are spread over what the budget can buy at the mean price. */
export function budgetCase(seed: number): BudgetCase {
  const random = new SeededRandom(`budget/${seed}`);
  const onDemandPrice = mills(0.1 * 300 ** random.next());
  const maxPrice = onDemandPrice;
  const count = random.integer(1, 6);
  const prices = Array.from({ length: count }, () => mills(maxPrice * (0.1 + 0.9 * random.next())));
  const mean = prices.reduce((sum, price) => sum + price, 0) / count;
  // From a quarter of an hour to a day of machine time.
  const hours = 0.25 * 100 ** random.next();
  const market = random.pick(["spot", "spot", "spot-then-on-demand", "on-demand"] as const);
  const price = market === "on-demand" ? onDemandPrice : mean;
  const seconds = hours * 3600;
  const spotPrices = prices.map((value, index): [number, number] => [Math.round((seconds * index) / count), value]);
  const interrupted = random.chance(0.7);
  const steps = Math.max(1, Math.round((seconds / 10) * (0.3 + 2 * random.next())));
  return {
    seed,
    budgetUsd: cents(hours * price),
    market,
    onDemandPrice,
    spotPrices,
    maxPrice,
    noticeSeconds: random.pick([120, 120, 30, 5, 0]),
    ...(interrupted ? { meanReclaimSeconds: Math.round(seconds * (0.05 + random.next())) } : {}),
    steps,
    saveEverySteps: random.pick([0, Math.ceil(steps / 3), Math.ceil(steps / 20), Math.max(6, Math.ceil(steps / 100))]),
    saveSeconds: random.pick([0, 1, 5, 20]),
    uploadSeconds: random.pick([0, 2, 10, 25]),
    setupSeconds: random.pick([0, 10, 120, 300]),
    graceSeconds: random.pick([30, 60, 10]),
    onSignal: random.pick(["save", "save", "save", "exit", "ignore"] as const),
    pendingSeconds: random.pick([0, 20, 90]),
    endingSeconds: random.pick([0, 5, 40]),
    deaths: Array.from({ length: random.pick([0, 0, 1, 2, 4]) }, () => ({
      at: Math.round(seconds * 1.2 * random.next()),
      goneFor: Math.round(random.pick([5, 60, 600, 7_200, 86_400]) * (0.5 + random.next())),
    })).sort((a, b) => a.at - b.at),
  };
}

function mills(amount: number): number {
  return Math.max(0.01, Math.round(amount * 1000) / 1000);
}

function cents(amount: number): number {
  return Math.max(0.01, Math.ceil(amount * 100) / 100);
}
