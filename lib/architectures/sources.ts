import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const native = fileURLToPath(new URL("../../native/", import.meta.url));

/** TorchScript source of one stage: the body of a class in a file of native/programs. */
export function stageSource(program: string, className: string): string {
  const text = readFileSync(`${native}programs/${program}.py`, "utf8");
  const start = text.indexOf(`\nclass ${className}:\n`);
  if (start < 0) throw new Error(`native/programs/${program}.py has no class ${className}`);
  const lines = text.slice(start).split("\n").slice(2);
  const end = lines.findIndex((line) => /^\S/.test(line));
  return lines
    .slice(0, end < 0 ? undefined : end)
    .map((line) => line.replace(/^ {4}/, ""))
    .join("\n");
}

/** The op vocabulary in TorchScript. */
export function referenceOps(): string {
  return readFileSync(`${native}ops/reference.py`, "utf8");
}
