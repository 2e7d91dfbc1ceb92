import * as jinja from "@huggingface/jinja";
import type { Node } from "./ast.js";
import { type Lexeme, type Piece, scan } from "./scan.js";
import { TemplateError } from "./error.js";

/** The library's declarations do not resolve under Node's module rules. */
const { parse, tokenize } = jinja as unknown as {
  tokenize: (source: string) => unknown;
  parse: (tokens: unknown) => { body: Node[] };
};

/** Chat templates have some thousand characters; the time that reading one takes is bounded. */
const MAX_SOURCE = 1 << 20;

/**
 * Parses a template with the library's grammar.
 *
 * The source is scanned by Python's rules first and handed over in a form that the library's lexer and Python's read
 * alike: text as string literals, so that white space is settled; strings without Python's other escapes; tests as
 * filters, because the library's tests take no arguments; the `generation` tag as a call block, which has the same
 * scope.
 */
export function parseTemplate(source: string): Node[] {
  if (source.length > MAX_SOURCE) {
    throw new TemplateError(
      `the template has ${source.length} characters; more than ${MAX_SOURCE} are not read`,
    );
  }
  const canonical = scan(source).map(write).join("");
  try {
    return parse(tokenize(canonical)).body;
  } catch (error) {
    if (error instanceof RangeError) throw error;
    // The parser runs over the end of its tokens when a block is not closed.
    const reason =
      error instanceof SyntaxError || (error instanceof Error && error.message.startsWith("Parser Error"));
    throw new TemplateError(reason ? error.message : "a block is not closed, or an expression is cut off", {
      cause: error,
    });
  }
}

/** What the names of tests are written with, as filters; templates cannot contain such a name by accident. */
export const TEST_PREFIX = "__is__";
export const NEGATED_TEST_PREFIX = "__is_not__";
export const GENERATION = "__generation__";

function write(piece: Piece): string {
  if (piece.kind === "text") return `{{ ${quote(piece.text)} }}`;
  const content = testsAsFilters(piece.lexemes).map(writeLexeme).join(" ");
  if (piece.kind === "print") return `{{ ${content} }}`;
  if (content === "generation") return `{% call ${GENERATION}() %}`;
  if (content === "endgeneration") return "{% endcall %}";
  return `{% ${content} %}`;
}

function writeLexeme(lexeme: Lexeme): string {
  return lexeme.type === "string" ? quote(lexeme.value) : lexeme.value;
}

/** White space is escaped too: the library looks through its source with a pattern that takes quadratic time for runs of it. */
function quote(text: string): string {
  const escape = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return `"${text.replace(/["\\{}\s]/g, escape)}"`;
}

/** `x is not divisibleby(3)` becomes `x | __is_not__divisibleby(3)`; an argument may stand without parentheses. */
function testsAsFilters(lexemes: Lexeme[]): Lexeme[] {
  const result: Lexeme[] = [];
  const operator = (value: string): Lexeme => ({ type: "operator", value });
  const groups = endsOfGroups(lexemes);
  const convert = (start: number, end: number) => {
    let index = start;
    while (index < end) {
      const lexeme = lexemes[index++]!;
      if (!isName(lexeme, "is") || isOperator(result.at(-1), ".")) {
        result.push(lexeme);
        continue;
      }
      const negated = isName(lexemes[index], "not");
      if (negated) index++;
      const test = lexemes[index++];
      if (test?.type !== "name") throw new TemplateError("expected the name of a test after 'is'");
      const prefix = negated ? NEGATED_TEST_PREFIX : TEST_PREFIX;
      result.push(operator("|"), { type: "name", value: prefix + test.value });
      const behind = Math.min(endOfArgument(lexemes, index, groups), end);
      if (behind > index) {
        result.push(operator("("));
        convert(index, behind);
        result.push(operator(")"));
        index = behind;
      }
    }
  };
  convert(0, lexemes.length);
  return result;
}

/** Words that follow a test without being its argument. */
const NO_ARGUMENT = new Set(["else", "or", "and", "is", "if", "in", "not"]);

/** Where the argument of a test that stands without parentheses ends: a literal or name and what it is indexed by. */
function endOfArgument(lexemes: Lexeme[], start: number, groups: ReadonlyMap<number, number>): number {
  const first = lexemes[start];
  if (first === undefined || isOperator(first, "(")) return start;
  if (first.type === "name" && NO_ARGUMENT.has(first.value)) return start;
  if (first.type === "operator" && !/^[[{]$/.test(first.value)) return start;
  let end = first.type === "operator" ? groups.get(start)! : start + 1;
  for (;;) {
    const next = lexemes[end];
    if (isOperator(next, "[") || isOperator(next, "(")) end = groups.get(end)!;
    else if (isOperator(next, ".")) end += 2;
    else if (first.type === "string" && next?.type === "string") end++;
    else return end;
  }
}

/** Where the group ends that a bracket at a place opens; `scan` has seen to it that every bracket is closed. */
function endsOfGroups(lexemes: Lexeme[]): Map<number, number> {
  const ends = new Map<number, number>();
  const open: number[] = [];
  for (const [index, { type, value }] of lexemes.entries()) {
    if (type !== "operator") continue;
    if (/^[([{]$/.test(value)) open.push(index);
    else if (/^[)\]}]$/.test(value)) ends.set(open.pop()!, index + 1);
  }
  return ends;
}

function isName(lexeme: Lexeme | undefined, value: string): boolean {
  return lexeme?.type === "name" && lexeme.value === value;
}

function isOperator(lexeme: Lexeme | undefined, value: string): boolean {
  return lexeme?.type === "operator" && lexeme.value === value;
}
