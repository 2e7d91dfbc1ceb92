import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { describe, expect, inject, it } from "vitest";

const MAIN = inject("mainTarball");
const JINJA = inject("jinjaTarball");
const PLATFORM = inject("platformTarball");

function filesOf(tarball: string): string[] {
  const names = execFileSync("tar", ["-tzf", tarball], { encoding: "utf8" }).trim().split("\n");
  return names.map((name) => name.replace(/^package\//, "")).sort();
}

/** Pages about the repository, of which the package holds a part. */
const FOR_DEVELOPERS = ["docs/adding-a-family.md", "docs/architecture.md", "docs/dependencies.md"];

function sourcesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith("ts"));
}

/** What is compiled of one source. */
function compiled(source: string): string[] {
  const [, stem, kind] = /^(.*)\.(c?)ts$/.exec(source)!;
  return [`${stem}.${kind}js`, `${stem}.${kind}js.map`, `${stem}.d.${kind}ts`].map((name) => `dist/${name}`);
}

describe("the package", () => {
  it("holds what is compiled, what is read at run time, the documentation and the demo model, and nothing else", () => {
    const folder = (path: string) => readdirSync(path).map((name) => `${path}/${name}`);
    const single = [
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "package.json",
      "native/ops/reference.py",
      "scripts/export_torchscript.py",
    ];
    const docs = [
      ...folder("docs").filter((name) => /\.md$/.test(name) && !FOR_DEVELOPERS.includes(name)),
      ...folder("docs/performance"),
    ];
    const expected = [
      ...docs,
      ...sourcesIn("lib").flatMap(compiled),
      ...folder("models/demo"),
      ...folder("native/programs"),
      ...single,
    ];
    expect(filesOf(MAIN)).toEqual(expected.sort());
  });

  it("is at most 6 MB", () => {
    expect(statSync(MAIN).size).toBeLessThanOrEqual(6_000_000);
  });

  it("has the sources of its source maps inside them", () => {
    const map = execFileSync("tar", ["-xzOf", MAIN, "package/dist/index.js.map"], { encoding: "utf8" });
    expect((JSON.parse(map) as { sourcesContent: string[] }).sourcesContent[0]).toContain("export");
  });
});

describe("the package that renders templates", () => {
  it("holds what is compiled, its page, the licence and nothing else", () => {
    const compiledOfIt = sourcesIn("packages/jinja/lib").flatMap(compiled);
    expect(filesOf(JINJA)).toEqual(["LICENSE", "README.md", "package.json", ...compiledOfIt].sort());
  });

  it("is at most 200 kB", () => {
    expect(statSync(JINJA).size).toBeLessThanOrEqual(200_000);
  });
});

describe("the package for this platform", () => {
  it("holds the two addons, the licences and nothing else", () => {
    expect(filesOf(PLATFORM)).toEqual(
      ["LICENSE", "THIRD-PARTY-LICENSES", "engine.node", "loader.node", "package.json"].sort(),
    );
  });

  it("is at most 5 MB", () => {
    expect(statSync(PLATFORM).size).toBeLessThanOrEqual(5_000_000);
  });
});

describe.each([MAIN, JINJA, PLATFORM])("%s", (tarball) => {
  it("pleases publint", () => {
    execFileSync("node_modules/.bin/publint", ["--strict", tarball], { stdio: "pipe" });
  });
});

it.each([MAIN, JINJA])("has right types for every way of resolving them: %s", (tarball) => {
  execFileSync("node_modules/.bin/attw", ["--no-definitely-typed", tarball], { stdio: "pipe" });
});
