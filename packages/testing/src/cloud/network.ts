/** Between a program and the cloud's API; between a program and machines; between machines and everything else. */
export type Link = "client-cloud" | "client-host" | "host-world";

/** "refuse": a connection fails at once. "drop": no answer until the caller's own limit. */
export type CutKind = "refuse" | "drop";

/** What a cut applies to; an absent field means all. */
export interface CutOptions {
  /** Name of a client (`cloud.client({ name })`). */
  client?: string | undefined;
  /** A machine's id. */
  machine?: string | undefined;
  region?: string | undefined;
  /** How long; default until the function returned is called. */
  forMs?: number | undefined;
  /** Default "drop". */
  how?: CutKind | undefined;
}

interface Cut {
  link: Link;
  options: CutOptions;
  until: number;
}

/** Which parts of the world cannot reach each other now. Ends of cuts are looked up, they cost no timer. */
export class Network {
  readonly #cuts = new Set<Cut>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Cuts a link; the function returned heals it. */
  cut(link: Link, options: CutOptions = {}): () => void {
    const cut = { link, options, until: options.forMs === undefined ? Number.POSITIVE_INFINITY : this.#now() + options.forMs };
    this.#cuts.add(cut);
    return () => void this.#cuts.delete(cut);
  }

  /** How the link is cut for these two, undefined when it is not. */
  isCut(link: Link, who: { client?: string; machine?: string; region?: string }): CutKind | undefined {
    for (const cut of this.#cuts) {
      if (cut.until <= this.#now()) this.#cuts.delete(cut);
      else if (cut.link === link && fits(cut.options, who)) return cut.options.how ?? "drop";
    }
    return undefined;
  }

  /** Heals everything. */
  heal(): void {
    this.#cuts.clear();
  }
}

function fits(cut: CutOptions, who: { client?: string; machine?: string; region?: string }): boolean {
  return (
    (cut.client === undefined || cut.client === who.client) &&
    (cut.machine === undefined || cut.machine === who.machine) &&
    (cut.region === undefined || cut.region === who.region)
  );
}
