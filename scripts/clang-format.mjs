// Formats the C++ sources; with --check it only says which are not formatted, and fails.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const native = fileURLToPath(new URL("../native", import.meta.url));
const files = readdirSync(native, { recursive: true })
  .filter((name) => /\.(cc|h)$/.test(name))
  .map((name) => join(native, name));
const clangFormat = createRequire(import.meta.url).resolve("clang-format");
const mode = process.argv.includes("--check") ? ["--dry-run", "--Werror"] : ["-i"];
const { status } = spawnSync(process.execPath, [clangFormat, "--style=file", ...mode, ...files], {
  stdio: "inherit",
});
process.exitCode = status ?? 1;
