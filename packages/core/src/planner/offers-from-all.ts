import { compareOffers } from "../cost/compare.ts";
import { TimeoutError } from "../errors/kinds.ts";
import { errorKind, RunctlError } from "../errors/runctl-error.ts";
import type { Offer, OfferRequest } from "../provider/offer.ts";
import type { Notice } from "../provider/plan.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import type { Clock } from "../util/clock.ts";

/** So many refusals in a row and an offer counts as listed but not to be had (P-17). */
export const STALE_AFTER_REFUSALS = 3;
const DEFAULT_TIMEOUT_MS = 30_000;

/** What all providers offer. */
export interface CollectedOffers {
  /** Cheapest first; unknown prices last. */
  offers: Offer[];
  /** True when a provider did not answer: its offers are missing. */
  partial: boolean;
  /** One a provider that did not answer; `id` is "offers-" and the kind of its error. */
  failures: Notice[];
  /** Ids of offers that were refused so often that others come first. */
  stale: string[];
}

export interface CollectOptions {
  clock: Clock;
  signal?: AbortSignal | undefined;
  /** For each provider. Default 30 s. */
  timeoutMs?: number | undefined;
  /** Refusals in a row, by offer id. */
  refusals?: Readonly<Record<string, number>> | undefined;
}

/**
 * Asks every provider at once. One that fails or is slow makes the result partial, never an error (P-18).
 * @throws the signal's reason when it aborts.
 */
export async function offersFromAll(
  providers: readonly TrainingProvider[],
  request: OfferRequest,
  options: CollectOptions,
): Promise<CollectedOffers> {
  options.signal?.throwIfAborted();
  const answers = await Promise.all(
    providers.map(async (provider) => {
      try {
        return { offers: (await ask(provider, request, options)).map(withHonestPrice) };
      } catch (error) {
        options.signal?.throwIfAborted();
        return { failure: failureNotice(provider.name, error) };
      }
    }),
  );
  const offers = compareOffers(answers.flatMap((answer) => answer.offers ?? [])).map((compared) => compared.offer);
  const failures = answers.flatMap((answer) => (answer.failure === undefined ? [] : [answer.failure]));
  const stale = offers.map((offer) => offer.id).filter((id) => (options.refusals?.[id] ?? 0) >= STALE_AFTER_REFUSALS);
  return { offers, partial: failures.length > 0, failures, stale };
}

// The race is ours: a provider that ignores its signal must not hold up the others.
function ask(
  provider: TrainingProvider,
  request: OfferRequest,
  { clock, signal, timeoutMs = DEFAULT_TIMEOUT_MS }: CollectOptions,
): Promise<Offer[]> {
  return new Promise((resolve, reject) => {
    const controller = new AbortController();
    const stop = (reason: unknown): void => {
      controller.abort(reason);
      settle(() => reject(reason));
    };
    const timer = clock.timer(timeoutMs, () =>
      stop(new TimeoutError({ what: `${provider.name} did not list its offers within ${timeoutMs / 1000} s.`, provider: provider.name })),
    );
    const onAbort = (): void => stop(signal?.reason);
    const settle = (then: () => void): void => {
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
      then();
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    // Inside an async function, so that a throw before the first await is a rejection too.
    (async () => provider.offers(request, { signal: controller.signal }))().then(
      (offers) => settle(() => resolve(offers)),
      (error: unknown) => settle(() => reject(error)),
    );
  });
}

// Whatever is no price is an unknown price: NaN would sort at random, and a negative one first.
function withHonestPrice(offer: Offer): Offer {
  const fits = (amount: number | undefined): boolean => amount === undefined || (Number.isFinite(amount) && amount >= 0);
  if (fits(offer.pricePerHour?.amount) && fits(offer.maxPricePerHour?.amount)) return offer;
  const { pricePerHour: _price, maxPricePerHour: _max, ...rest } = offer;
  return rest;
}

function failureNotice(provider: string, error: unknown): Notice {
  const known = RunctlError.is(error) ? error : undefined;
  const text = known?.what ?? (error instanceof Error ? error.message : String(error));
  return {
    id: `offers-${errorKind(error) ?? "failed"}`,
    what: `${provider} could not list its offers: ${text}`,
    why: known?.why || "Its machines are missing from this list.",
    fix:
      known === undefined || known.fix.length === 0
        ? [`Check the settings and credentials of ${provider}, or leave it out with provider: […].`]
        : known.fix,
  };
}
