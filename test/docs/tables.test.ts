/** Tables of the documentation that have to name everything there is. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { RewardModelScoreError } from "#lib/errors.js";
import * as environment from "#lib/env.js";
import { resolveOptions } from "#lib/options.js";

const firstColumn = (markdown: string) =>
  [...markdown.matchAll(/^\| (`[^|]+) \|/gm)].map(([, cell]) => cell!);
const names = (cells: string[], pattern: RegExp) => cells.flatMap((cell) => cell.match(pattern) ?? []);

describe("docs/errors.md", () => {
  const markdown = readFileSync("docs/errors.md", "utf8");
  const source = readFileSync("lib/errors.ts", "utf8");
  const details = new Map(
    [...source.matchAll(/^ {2}(ERR_\w+): (.*);$/gm)].map(([, code, type]): [string, string] => [
      code!,
      type!,
    ]),
  );
  const rows = new Map(
    [...markdown.matchAll(/^\| `(ERR_\w+)` \| .+ \| .+ \| (.*?) ?\|$/gm)].map(([, code, cell]) => [
      code!,
      cell!,
    ]),
  );

  it("has every code, with its cause and remedy, and no other", () => {
    expect(details.size).toBeGreaterThan(20);
    expect([...rows.keys()].sort()).toEqual([...details.keys()].sort());
  });

  it.each([...details])("names the details of %s", (code, type) => {
    const fields = [...type.matchAll(/(\w+)\??:/g)].map(([, name]) => name);
    const named = [...rows.get(code)!.matchAll(/`(\w+)`/g)].map(([, name]) => name);
    // The fields of a problem are named beside it.
    expect(named.slice(0, code === "ERR_INVALID_ROWS" ? 1 : undefined)).toEqual(fields);
  });
});

describe("docs/install.md", () => {
  const documented = names(firstColumn(readFileSync("docs/install.md", "utf8")), /[A-Z][A-Z_]{2,}/g);

  it("has every variable that is read, and no other", () => {
    const read = new Set<string>();
    const env = new Proxy<NodeJS.ProcessEnv>(
      {},
      { get: (_target, name) => (read.add(String(name).toUpperCase()), undefined) },
    );
    for (const read of Object.values(environment)) read(env);
    // Of these, others are the places that are read in the first place.
    read.delete("XDG_CACHE_HOME");
    const sources = readdirSync("native", { recursive: true, encoding: "utf8" }).filter((name) =>
      /\.(cc|h)$/.test(name),
    );
    for (const name of sources) {
      const source = readFileSync(`native/${name}`, "utf8");
      for (const [, variable] of source.matchAll(/getenv\("(\w+)"\)/g)) read.add(variable!);
    }
    expect([...new Set(documented)].sort()).toEqual([...read].sort());
  });

  it("is right that env.ts is where the library reads them", () => {
    const files = readdirSync("lib", { recursive: true, encoding: "utf8" }).filter((name) =>
      /\.c?ts$/.test(name),
    );
    const reading = files.filter((name) => /process\.env\b/.test(readFileSync(`lib/${name}`, "utf8")));
    // download.ts hands the whole environment on to pip.
    expect(reading.sort()).toEqual(["env.ts", "libtorch/download.ts"]);
  });
});

describe("README.md", () => {
  it("has every option, and no other", () => {
    const section = /^## Options\n([\s\S]*?)^## /m.exec(readFileSync("README.md", "utf8"))![1]!;
    const documented = names(firstColumn(section), /\w+/g).sort();
    const options: string[] = [];
    try {
      resolveOptions({ model: "demo", nothing: 1 } as never);
    } catch (error) {
      if (!RewardModelScoreError.is(error)) throw error;
      options.push(...error.message.replace(/^.*Options: |\.$/g, "").split(", "));
    }
    expect(documented).toEqual(expect.arrayContaining(options));
    expect(options).toEqual(expect.arrayContaining(documented));
  });
});

const foldersOf = (path: string) =>
  readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `${path}/${name}/`);

describe("docs/architecture.md", () => {
  it("has every folder, and no other", () => {
    const documented = names(
      firstColumn(readFileSync("docs/architecture.md", "utf8")),
      /(lib|native|packages)\/[\w-]+\//g,
    );
    expect(documented.sort()).toEqual(["lib", "native", "packages"].flatMap(foldersOf).sort());
  });
});

describe("CONTRIBUTING.md", () => {
  const section = /^## Where it is tested\n([\s\S]*?)^## /m.exec(
    readFileSync("CONTRIBUTING.md", "utf8"),
  )![1]!;
  const rows = [...section.matchAll(/^\| (.+) \| (.+) \|$/gm)].slice(1);
  const pathsIn = (cells: string[]) =>
    names(cells, /`[^`]+\/[^`]*`/g).map((quoted) => quoted.slice(1, -1).replace(/\/$/, ""));

  it.each(pathsIn(rows.map(([row]) => row)))("says rightly that there is %s", (path) => {
    expect(existsSync(path)).toBe(true);
  });

  it.each([...foldersOf("lib"), ...foldersOf("native")].map((folder) => folder.slice(0, -1)))(
    "says where %s is tested, unless a folder of tests has its name",
    (folder) => {
      const mirror = folder.replace(/^lib/, "test").replace(/^native/, "test/native");
      const elsewhere = pathsIn(rows.map(([, what]) => what!));
      expect(existsSync(mirror) || elsewhere.includes(folder)).toBe(true);
    },
  );
});

describe("docs/architecture.svg", () => {
  const svg = readFileSync("docs/architecture.svg", "utf8");

  it.each(foldersOf("lib"))("shows %s", (folder) => {
    expect(svg).toContain(folder.replace("lib/", ""));
  });
  const number = (element: string, name: string) =>
    Number(new RegExp(` ${name}="([\\d.]+)"`).exec(element)![1]);
  const boxes = [...svg.matchAll(/<rect [^>]*rx[^>]*>/g)].map(([rect]) => ({
    left: number(rect, "x"),
    top: number(rect, "y"),
    width: number(rect, "width"),
    height: number(rect, "height"),
  }));

  it.each(
    [...svg.matchAll(/<text ([^>]*)>([^<]*)<\/text>/g)].map(([, attributes, text]) => [text!, attributes!]),
  )("keeps in its box: %s", (text, attributes) => {
    const [x, y] = [number(` ${attributes}`, "x"), number(attributes, "y")];
    const box = boxes.find(
      ({ left, top, width, height }) =>
        attributes.includes('text-anchor="middle"') &&
        Math.abs(left + width / 2 - x) < 1 &&
        y > top &&
        y < top + height,
    );
    // The widest of the common fonts takes about so much for a letter.
    const letter = number(attributes, "font-size") * (attributes.includes("monospace") ? 0.61 : 0.56);
    if (box) expect(text.length * letter).toBeLessThanOrEqual(box.width - 6);
  });
});
