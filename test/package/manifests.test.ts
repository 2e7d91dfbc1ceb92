import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { packagedPlatforms, requirePackaged } from "#lib/native/platform-packages.cjs";
import * as api from "#lib/index.js";

interface Manifest {
  name: string;
  version: string;
  os: string[];
  cpu: string[];
  libc?: string[];
}

const platforms = readdirSync("npm");
const manifest = (folder: string) => JSON.parse(readFileSync(`${folder}/package.json`, "utf8")) as Manifest;

it("has a package for each platform that the library looks for", () => {
  expect([...packagedPlatforms].sort()).toEqual(platforms.sort());
  const source = readFileSync("lib/native/platform-packages.cts", "utf8");
  for (const platform of platforms) {
    for (const file of ["package.json", "loader.node", "engine.node"]) {
      expect(source).toContain(`require("@reward-model-score/${platform}/${file}")`);
    }
  }
});

it.each(platforms)("lets npm install the package of %s there and nowhere else", (platform) => {
  const { name, os, cpu, libc } = manifest(`npm/${platform}`);
  expect(name).toBe(`@reward-model-score/${platform}`);
  expect(`${os.join()}-${cpu.join()}`).toBe(platform);
  expect(libc).toEqual(os.includes("linux") ? ["glibc"] : undefined);
});

it("has one version everywhere", () => {
  const { status, stderr } = spawnSync(process.execPath, ["scripts/package/sync-versions.mjs", "--check"], {
    encoding: "utf8",
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(readFileSync("CHANGELOG.md", "utf8")).toMatch(new RegExp(`^## ${manifest(".").version}\\b`, "m"));
});

it("takes a platform without a package for a missing one", () => {
  expect(requirePackaged("sunos-sparc", "engine.node")).toBeUndefined();
});

it("gives `require` what `import` gives", async () => {
  const { createRequire } = await import("node:module");
  const required = createRequire(import.meta.url)("reward-model-score") as typeof api;
  expect(Object.keys(required).sort()).toEqual(Object.keys(api).sort());
});
