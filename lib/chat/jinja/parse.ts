import * as jinja from "@huggingface/jinja";
import type { Node } from "./ast.js";
import { type Lexeme, type Piece, scan } from "./scan.js";
import { TemplateError } from "./values.js";

/** The library's declarations do not resolve under Node's module rules. */
const { parse, tokenize } = jinja as unknown as {
  tokenize: (source: string) => unknown;
  parse: (tokens: unknown) => { body: Node[] };
};

/**
 * Parses a template with the library's grammar.
 *
 * The source is scanned by Python's rules first and handed over in a form that the library's lexer and Python's read
 * alike: text as string literals, so that white space is settled; strings without Python's other escapes; tests as
 * filters, because the library's tests take no arguments; the `generation` tag as a call block, which has the same
 * scope.
 */
export function parseTemplate(source: string): Node[] {
  const canonical = scan(source).map(write).join("");
  try {
    return parse(tokenize(canonical)).body;
  } catch (error) {
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

function quote(text: string): string {
  const escapes: Record<string, string> = { '"': '\\"', "\\": "\\\\", "{": "\\x7b", "}": "\\x7d" };
  return `"${text.replace(/["\\{}]/g, (character) => escapes[character]!)}"`;
}

/** `x is not divisibleby(3)` becomes `x | __is_not__divisibleby(3)`; an argument may stand without parentheses. */
function testsAsFilters(lexemes: Lexeme[]): Lexeme[] {
  const result: Lexeme[] = [];
  const operator = (value: string): Lexeme => ({ type: "operator", value });
  let index = 0;
  while (index < lexemes.length) {
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
    const end = endOfArgument(lexemes, index);
    if (end > index) {
      result.push(operator("("), ...testsAsFilters(lexemes.slice(index, end)), operator(")"));
      index = end;
    }
  }
  return result;
}

/** Words that follow a test without being its argument. */
const NO_ARGUMENT = new Set(["else", "or", "and", "is", "if", "in", "not"]);

/** Where the argument of a test that stands without parentheses ends: a literal or name and what it is indexed by. */
function endOfArgument(lexemes: Lexeme[], start: number): number {
  const first = lexemes[start];
  if (first === undefined || isOperator(first, "(")) return start;
  if (first.type === "name" && NO_ARGUMENT.has(first.value)) return start;
  if (first.type === "operator" && !/^[[{]$/.test(first.value)) return start;
  let end = first.type === "operator" ? endOfGroup(lexemes, start) : start + 1;
  for (;;) {
    const next = lexemes[end];
    if (isOperator(next, "[") || isOperator(next, "(")) end = endOfGroup(lexemes, end);
    else if (isOperator(next, ".")) end += 2;
    else if (first.type === "string" && next?.type === "string") end++;
    else return end;
  }
}

function endOfGroup(lexemes: Lexeme[], start: number): number {
  let depth = 0;
  for (let index = start; index < lexemes.length; index++) {
    const lexeme = lexemes[index]!;
    if (lexeme.type !== "operator") continue;
    if (/^[([{]$/.test(lexeme.value)) depth++;
    else if (/^[)\]}]$/.test(lexeme.value) && --depth === 0) return index + 1;
  }
  return lexemes.length;
}

function isName(lexeme: Lexeme | undefined, value: string): boolean {
  return lexeme?.type === "name" && lexeme.value === value;
}

function isOperator(lexeme: Lexeme | undefined, value: string): boolean {
  return lexeme?.type === "operator" && lexeme.value === value;
}
