/** Whoever has only a package finds what its pages and messages name. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const repository = execFileSync("git", ["ls-files"], { encoding: "utf8" }).trim().split("\n");

/** Names of the files that a folder's package holds. */
function packed(folder: string): string[] {
  const packing = execFileSync(
    "npm",
    ["pack", "--dry-run", "--json", "--ignore-scripts", "--loglevel=error"],
    {
      cwd: folder,
      encoding: "utf8",
      maxBuffer: 1 << 26,
    },
  );
  const [{ files }] = Object.values(JSON.parse(packing) as Record<string, { files: { path: string }[] }>) as [
    { files: { path: string }[] },
  ];
  return files.map(({ path }) => path);
}

// What is built here counts as the repository's: an installed package has no such folders either.
const FOLDERS = new Set([
  ...repository.filter((path) => path.includes("/")).map((path) => path.split("/")[0]!),
  ...["build", "build-gyp", "build-asan", "build-cuda", ".packages"],
]);
const SOURCES = new Set(
  repository
    .filter((path) => /\.(md|[cm]?[jt]s|py|cc|h|svg|ya?ml)$/.test(path))
    .map((path) => basename(path)),
);

/** Paths and names of files in a text that the repository has and the package of these files has not. */
function missing(text: string, files: readonly string[]): string[] {
  const fileNames = new Set(files.map((path) => basename(path)));
  const paths = [...text.matchAll(/(?<![\w/.@-])(?:[\w.@-]+\/)+[\w.*<>-]+/g)].map(([path]) =>
    path.replace(/^node_modules\/reward-model-score\//, "").replace(/[.]$/, ""),
  );
  const names = [...text.matchAll(/(?<![\w/.<>*@-])[\w.-]+\.\w+(?![\w/])/g)].map(([name]) => name);
  return [
    ...paths.filter((path) => FOLDERS.has(path.split("/")[0]!) && !has(files, path)),
    ...names.filter((name) => SOURCES.has(name) && !fileNames.has(name)),
  ];
}

function has(files: readonly string[], path: string): boolean {
  return files.some((file) => file === path || file.startsWith(`${path}/`));
}

/** A heading as a link names it. */
function anchors(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, "")
      .replaceAll(" ", "-"),
  );
}

/** Links of a page of a folder that lead nowhere among the folder's files. */
function broken(folder: string, page: string, files: readonly string[]): string[] {
  const read = (path: string) => readFileSync(join(folder, path), "utf8");
  const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
  return links.filter((link) => {
    if (/^https?:/.test(link)) return false;
    const [path, anchor] = link.split("#");
    const target = path === "" ? page : normalize(join(dirname(page), path!));
    if (!files.includes(target)) return true;
    return anchor !== undefined && !anchors(read(target)).includes(anchor);
  });
}

const pages = (files: readonly string[]) => files.filter((path) => path.endsWith(".md"));

describe.each([
  { folder: ".", compiledIn: ["native"], texts: 1000 },
  { folder: "packages/jinja", compiledIn: [], texts: 300 },
])("the package of $folder", ({ folder, compiledIn, texts }) => {
  const files = packed(folder);

  it.each(pages(files))("has what is named in %s", (page) => {
    expect(missing(readFileSync(join(folder, page), "utf8"), files)).toEqual([]);
    expect(broken(folder, page, files)).toEqual([]);
  });

  it("has what its messages name", () => {
    const named = [
      ...literals(join(folder, "lib"), /\.c?ts$/, textsOfTypeScript),
      ...compiledIn.flatMap((path) => literals(path, /\.(cc|h)$/, textsOfCpp)),
    ];
    expect(named.length).toBeGreaterThan(texts);
    expect(named.flatMap(([file, text]) => missing(text, files).map((path) => `${file}: ${path}`))).toEqual(
      [],
    );
  });
});

function literals(
  folder: string,
  files: RegExp,
  texts: (source: string) => string[],
): [file: string, text: string][] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => files.test(name))
    .flatMap((name) =>
      texts(readFileSync(`${folder}/${name}`, "utf8")).map((text): [string, string] => [
        `${folder}/${name}`,
        text,
      ]),
    );
}

/** The names of headers are no messages. */
function textsOfCpp(source: string): string[] {
  return [...source.replaceAll(/^#.*$/gm, "").matchAll(/"((?:[^"\\\n]|\\.)*)"/g)].map(([, text]) => text!);
}

/** The names of modules are none either. */
function textsOfTypeScript(text: string): string[] {
  const source = ts.createSourceFile("", text, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node) || ts.isImportTypeNode(node)) return;
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) return;
    if (ts.isStringLiteralLike(node) || ts.isTemplateLiteralToken(node)) found.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

describe("the repository", () => {
  it.each(pages(repository))("has what is linked in %s", (page) => {
    expect(broken(".", page, repository)).toEqual([]);
  });
});
