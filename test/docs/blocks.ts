/** The code blocks of the documentation: Markdown, and the comments of what the library exports. */
import { readdirSync, readFileSync } from "node:fs";

export interface Block {
  /** "README.md:24" */
  at: string;
  language: string;
  code: string;
}

const MARKDOWN = [
  "README.md",
  "CONTRIBUTING.md",
  "models/demo/README.md",
  "packages/jinja/README.md",
  ...readdirSync("docs")
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

export function blocksOf(...languages: string[]): Block[] {
  const sources = ["lib", "packages/jinja/lib"].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => `${folder}/${name}`),
  );
  const blocks = [...MARKDOWN, ...sources].flatMap((path) => blocksIn(path, readFileSync(path, "utf8")));
  return blocks.filter(({ language }) => languages.includes(language));
}

function blocksIn(path: string, text: string): Block[] {
  // In a comment, each line begins with an asterisk.
  const lines = path.endsWith(".ts")
    ? text.split("\n").map((line) => line.replace(/^\s*\* ?/, ""))
    : text.split("\n");
  const blocks: Block[] = [];
  let open: Block | undefined;
  for (const [index, line] of lines.entries()) {
    const fence = /^```(\w*)\s*$/.exec(line);
    if (fence && open) {
      blocks.push(open);
      open = undefined;
    } else if (fence) {
      open = { at: `${path}:${index + 1}`, language: fence[1]!, code: "" };
    } else if (open) {
      open.code += `${line}\n`;
    }
  }
  if (open) throw new Error(`${open.at} is never closed`);
  return blocks;
}

export interface Span {
  /** "README.md:24" */
  at: string;
  code: string;
  /** The spans of the first cell, where it stands in a row of a table. */
  row: string[];
}

/** Code within the lines of the documentation. */
export function spans(): Span[] {
  return MARKDOWN.flatMap((path) =>
    withoutBlocks(readFileSync(path, "utf8"))
      .split("\n")
      .flatMap((line, index) => {
        const row = /^\| ([^|]*) \|/.exec(line)?.[1] ?? "";
        return codeOf(line).map((code) => ({ at: `${path}:${index + 1}`, code, row: codeOf(row) }));
      }),
  );
}

const codeOf = (line: string) => [...line.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);

/** The lines of blocks are left empty, so that the others keep their numbers. */
function withoutBlocks(markdown: string): string {
  return markdown.replaceAll(/^```[\s\S]*?^```$/gm, (block) => block.replaceAll(/[^\n]/g, ""));
}

/** Blocks that a reader sees as code but no test does. */
export function indentedCommands(): string[] {
  return MARKDOWN.flatMap((path) =>
    readFileSync(path, "utf8")
      .split("\n")
      .flatMap((line, index) =>
        /^ {4}(npm|npx|node|python3?|pip|git|cd) /.test(line) ? [`${path}:${index + 1}`] : [],
      ),
  );
}
