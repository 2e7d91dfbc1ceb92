/** Everything that the packages export is explained where it is declared. */
import { resolve } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const config = ts.getParsedCommandLineOfConfigFile(
  "tsconfig.json",
  {},
  { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} },
)!;
const entries = ["lib/index.ts", "packages/jinja/lib/index.ts"].map((path) => resolve(path));
const program = ts.createProgram(entries, config.options);
const checker = program.getTypeChecker();
const exported = entries
  .flatMap((entry) => checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(entry)!)!))
  .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol));

const comment = (symbol: ts.Symbol) => ts.displayPartsToString(symbol.getDocumentationComment(checker));

/** Members of classes and interfaces that users see. */
function membersOf(symbol: ts.Symbol): ts.Symbol[] {
  if (!(symbol.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Interface))) return [];
  const statics = [...(symbol.exports?.values() ?? [])].filter(({ name }) => name !== "prototype");
  const members = [...(symbol.members?.values() ?? []), ...statics];
  const hidden = ts.SymbolFlags.TypeParameter | ts.SymbolFlags.Signature;
  return members.filter(({ name, flags }) => !(flags & hidden) && !/^(#|__#)/.test(name));
}

describe.each(exported.map((symbol) => [symbol.name, symbol] as const))("%s", (_name, symbol) => {
  it("is explained, and so are its members", () => {
    expect(comment(symbol)).not.toBe("");
    expect(
      membersOf(symbol)
        .filter((member) => comment(member) === "")
        .map(({ name }) => name),
    ).toEqual([]);
  });
});

const classes = exported.filter(({ flags }) => flags & ts.SymbolFlags.Class);
const methods = classes.flatMap((symbol) =>
  membersOf(symbol).filter(({ name, flags }) => flags & ts.SymbolFlags.Method && !name.startsWith("__")),
);

it.each([...classes, ...methods].map((symbol) => [symbol.name, symbol] as const))(
  "%s has an example",
  (_name, symbol) => {
    expect(comment(symbol)).toContain("```ts");
  },
);
