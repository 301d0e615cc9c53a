import { expect, test } from "vitest";
import type { FindQuery, TrainingProvider } from "../provider/provider.ts";
import { ProviderRegistry } from "./provider-registry.ts";

const provider = (name: string, ids: string[] = [], fails = false) =>
  ({
    specVersion: "v1",
    name,
    find: async (query: FindQuery) => {
      if (fails) throw new Error(`${name} is down`);
      const machines = ids
        .filter((id) => query.ids?.includes(id))
        .map((id) => ({ ref: { provider: name, kind: "machine", id }, name: id, state: "running", tags: {} }));
      return { machines, others: [], complete: true };
    },
  }) as unknown as TrainingProvider;

test("providers by name, in order, and duplicates throw", () => {
  const registry = new ProviderRegistry([provider("local"), provider("aws")]);
  expect(registry.names()).toEqual(["local", "aws"]);
  expect(registry.get("aws").name).toBe("aws");
  expect(registry.select([]).length).toBe(2);
  expect(registry.select(["aws"]).map((one) => one.name)).toEqual(["aws"]);
  expect(() => registry.register(provider("aws"))).toThrow(/Two providers have the name "aws"/);
});

test("S-29 a missing one names those present and the package to install", () => {
  const registry = new ProviderRegistry([provider("local")]);
  expect(() => registry.get("aws")).toThrow(/no provider "aws"; present are local[\s\S]*Install @runctl\/provider-aws/);
  expect(() => registry.get("locla")).toThrow(/Did you mean "local"\?/);
  expect(() => new ProviderRegistry([]).get("x")).toThrow(/present are none/);
});

test("text forms and native ids become refs", async () => {
  const registry = new ProviderRegistry([provider("aws", ["i-1", "both"]), provider("local", ["both", "a/b/c"])]);
  expect(await registry.resolveRef("aws/us-east-1/machine/i-9")).toEqual({
    provider: "aws",
    region: "us-east-1",
    kind: "machine",
    id: "i-9",
  });
  expect(await registry.resolveRef("i-1")).toMatchObject({ provider: "aws", id: "i-1" });
  expect(await registry.resolveRef("a/b/c")).toMatchObject({ provider: "local", id: "a/b/c" });
  await expect(registry.resolveRef("nowhere")).rejects.toMatchObject({ code: "RUNCTL_NOT_FOUND" });
  await expect(registry.resolveRef("both")).rejects.toMatchObject({
    code: "RUNCTL_CONFIGURATION",
    fix: ["Write aws/machine/both.", "Write local/machine/both."],
  });
  await expect(registry.resolveRef("runpod/machine/x")).rejects.toThrow(/@runctl\/provider-runpod/);
});

test("P-04 a provider that cannot be asked is not an absence", async () => {
  const registry = new ProviderRegistry([provider("aws", [], true), provider("local")]);
  await expect(registry.resolveRef("i-1")).rejects.toThrow(/aws is down/);
});
