/** What users write compiles in every kind of module and with every way of finding the package. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";
import { expect, it } from "vitest";
import { temporaryFolder } from "../temporary-folder.js";

const { Node16, Bundler } = ts.ModuleResolutionKind;

it.each([
  { file: "usage.mts", module: ts.ModuleKind.Node16, moduleResolution: Node16 },
  { file: "usage.cts", module: ts.ModuleKind.Node16, moduleResolution: Node16 },
  { file: "usage.ts", module: ts.ModuleKind.ESNext, moduleResolution: Bundler },
])("$file compiles", ({ file, module, moduleResolution }) => {
  const folder = temporaryFolder("types");
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(resolve("."), join(folder, "node_modules/reward-model-score"));
  const path = join(folder, file);
  writeFileSync(path, readFileSync("test/types/usage.mts"));
  const program = ts.createProgram([path], {
    module,
    moduleResolution,
    target: ts.ScriptTarget.ES2022,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: ["node"],
    typeRoots: [resolve("node_modules/@types")],
  });
  const complaints = ts.getPreEmitDiagnostics(program).map(({ file: source, start, messageText }) => {
    const line = source && start !== undefined ? source.getLineAndCharacterOfPosition(start).line + 1 : 0;
    return `${source?.fileName}:${line}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
  });
  expect(complaints).toEqual([]);
});
