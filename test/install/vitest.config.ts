import { defineConfig } from "vitest/config";

/** Apart from the other tests: these pack the package and need the network. */
export default defineConfig({
  test: {
    include: ["test/install/*.test.ts"],
    globalSetup: "test/install/pack.ts",
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
