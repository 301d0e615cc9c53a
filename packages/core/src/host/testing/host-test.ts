import { test } from "vitest";
import { AttemptFixture } from "./attempt-fixture.ts";

type FixtureOptions = ConstructorParameters<typeof AttemptFixture>[0];

/**
 * `it` for tests of the host agent: every test has a `host` of its own (and `another` for more), which are disposed after it. So tests of one file can
 * run at the same moment (`describe.concurrent`): nearly all of their time is waiting for processes.
 */
export const it = test.extend<{ host: AttemptFixture; another: (options?: FixtureOptions) => AttemptFixture }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the needed fixtures out of this pattern.
  host: async ({}, use) => {
    const host = new AttemptFixture();
    try {
      await use(host);
    } finally {
      host.dispose();
    }
  },
  // biome-ignore lint/correctness/noEmptyPattern: as above.
  another: async ({}, use) => {
    const made: AttemptFixture[] = [];
    try {
      await use((options) => {
        const host = new AttemptFixture(options);
        made.push(host);
        return host;
      });
    } finally {
      for (const host of made) host.dispose();
    }
  },
});
