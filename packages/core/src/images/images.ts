import { NotFoundError, UnsupportedCapabilityError } from "../errors/kinds.ts";
import type { ImageBuildRequest, ProviderImages, TrainingProvider } from "../provider/provider.ts";

/** Builds, pushes and resolves training images through a provider that can. */
export class Images {
  readonly #providers: readonly TrainingProvider[];

  constructor(providers: readonly TrainingProvider[]) {
    this.#providers = providers;
  }

  /** Builds an image from a Dockerfile. @throws UnsupportedCapabilityError where no provider builds images. */
  async build(request: ImageBuildRequest & { provider?: string | undefined }): Promise<{ image: string; digest?: string | undefined }> {
    const { provider, ...build } = request;
    return this.#part(provider, "build").build(build);
  }

  /** Pushes an image to the provider's registry. */
  async push(image: string, options: { provider?: string | undefined } = {}): Promise<{ image: string; digest: string }> {
    const part = this.#part(options.provider, "push");
    if (part.push === undefined) throw unsupported("push images", options.provider);
    return part.push(image);
  }

  /** The digest that an image name means now, so that every attempt of a run uses the same bytes. */
  async resolve(image: string, options: { provider?: string | undefined } = {}): Promise<{ image: string; digest: string }> {
    const part = this.#part(options.provider, "resolve");
    if (part.resolve === undefined) throw unsupported("resolve images", options.provider);
    return part.resolve(image);
  }

  #part(name: string | undefined, verb: "build" | "push" | "resolve"): ProviderImages {
    if (name !== undefined && !this.#providers.some((provider) => provider.name === name)) {
      throw new NotFoundError({
        what: `There is no provider ${JSON.stringify(name)}.`,
        fix: [`Present: ${this.#providers.map((provider) => provider.name).join(", ")}.`],
      });
    }
    for (const provider of this.#providers) {
      if (name !== undefined && provider.name !== name) continue;
      if (provider.images?.[verb] !== undefined) return provider.images;
    }
    throw unsupported(`${verb} images`, name);
  }
}

function unsupported(what: string, provider: string | undefined): UnsupportedCapabilityError {
  return new UnsupportedCapabilityError({
    what: provider === undefined ? `No provider here can ${what}.` : `${provider} cannot ${what}.`,
    fix: ["Use a provider that can, or an image that exists already: container: { image }."],
    ...(provider === undefined ? {} : { provider }),
  });
}
