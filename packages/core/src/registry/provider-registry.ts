import { ConfigurationError, NotFoundError } from "../errors/kinds.ts";
import type { TrainingProvider } from "../provider/provider.ts";
import { parseRef, type ResourceRef } from "../provider/resource.ts";
import { nearest } from "../spec/nearest.ts";

const PACKAGES: Readonly<Record<string, string>> = {
  local: "@runctl/provider-local",
  aws: "@runctl/provider-aws",
  runpod: "@runctl/provider-runpod",
  lyceum: "@runctl/provider-lyceum",
};

/** The providers of one Runctl object, by name. */
export class ProviderRegistry {
  readonly #providers = new Map<string, TrainingProvider>();

  /** @throws ConfigurationError for two providers of one name. */
  constructor(providers: readonly TrainingProvider[]) {
    for (const provider of providers) this.register(provider);
  }

  /** Adds one more. @throws ConfigurationError when its name is taken. */
  register(provider: TrainingProvider): void {
    if (this.#providers.has(provider.name)) {
      throw new ConfigurationError({
        what: `Two providers have the name ${JSON.stringify(provider.name)}.`,
        why: "Runs and resources name their provider, so each has a name of its own.",
        fix: [`Give one another name: ${provider.name}({ name: "${provider.name}-2" }).`],
        context: { name: provider.name },
      });
    }
    this.#providers.set(provider.name, provider);
  }

  /** @throws NotFoundError naming those present and the package to install. */
  get(name: string): TrainingProvider {
    const provider = this.#providers.get(name);
    if (provider !== undefined) return provider;
    const near = nearest(name, this.#providers.keys());
    const known = PACKAGES[name];
    throw new NotFoundError({
      what: `There is no provider ${JSON.stringify(name)}; present are ${this.names().join(", ") || "none"}.`,
      fix: [
        ...(near === undefined ? [] : [`Did you mean ${JSON.stringify(near)}?`]),
        known === undefined
          ? `Install the package that provides it and add it to providers.`
          : `Install ${known} and add ${name}() to providers: import { ${name} } from "${known}".`,
      ],
      provider: name,
      context: { present: this.names() },
    });
  }

  find(name: string): TrainingProvider | undefined {
    return this.#providers.get(name);
  }

  /** Names in the order of registration. */
  names(): string[] {
    return [...this.#providers.keys()];
  }

  all(): TrainingProvider[] {
    return [...this.#providers.values()];
  }

  /** Those named, all when none is. @throws NotFoundError for a name that is not there. */
  select(names: readonly string[]): TrainingProvider[] {
    return names.length === 0 ? this.all() : names.map((name) => this.get(name));
  }

  /**
   * The ref of a text form ("aws/us-east-1/machine/i-0abc"), or of a native id ("i-0abc"). A native id belongs to the only
   * provider, or to the only one that knows it; asking costs a listing at each.
   * @throws NotFoundError when no provider knows it; ConfigurationError when several do.
   */
  async resolveRef(text: string, kind = "machine"): Promise<ResourceRef> {
    const ref = parseRef(text);
    // Native ids of some providers hold slashes: only a known provider's name makes a text form.
    if (ref !== undefined && this.#providers.has(ref.provider)) return ref;
    if (ref !== undefined && Object.hasOwn(PACKAGES, ref.provider)) this.get(ref.provider);
    const owners = await this.#owners(text, kind);
    const [owner, ...others] = owners;
    if (owner !== undefined && others.length === 0) return owner;
    if (owner === undefined) {
      throw new NotFoundError({
        what: `No provider knows a ${kind} ${JSON.stringify(text)}; asked were ${this.names().join(", ") || "none"}.`,
        fix: ["Check the id; the full form is provider/region/kind/id, for example aws/us-east-1/machine/i-0abc."],
        context: { id: text, asked: this.names() },
      });
    }
    throw new ConfigurationError({
      what: `${JSON.stringify(text)} is the id of a ${kind} at several providers: ${owners.map((one) => one.provider).join(", ")}.`,
      fix: owners.map((one) => `Write ${one.provider}/${kind}/${text}.`),
      context: { id: text },
    });
  }

  async #owners(id: string, kind: string): Promise<ResourceRef[]> {
    const found = await Promise.allSettled(
      this.all().map(async (provider) => {
        const { machines, others } = await provider.find({ ids: [id], kinds: [kind], includeForeign: true });
        return [...machines, ...others].map((thing) => thing.ref).filter((ref) => ref.id === id);
      }),
    );
    const owners = found.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
    const failed = found.find((result) => result.status === "rejected");
    // "Cannot see" is not "is not there": without every answer an absence proves nothing.
    if (owners.length === 0 && failed !== undefined) throw failed.reason;
    return owners;
  }
}
