/** The code of the documentation does what it says it does. */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import ts from "typescript";
import { beforeAll, describe, expect, it } from "vitest";
import { findLibtorch } from "#lib/libtorch/find.js";
import { MAIN } from "../cli/run-cli.js";
import { pythonWith } from "../scripts/python.js";
import { type Block, blocksOf, indentedCommands } from "./blocks.js";
import { parse } from "./command-line.js";
import { sharedFolder } from "../temporary-folder.js";

const directory = sharedFolder("examples");
let environment: NodeJS.ProcessEnv;

beforeAll(async () => {
  mkdirSync(join(directory, "node_modules/@reward-model-score"), { recursive: true });
  symlinkSync(resolve("."), join(directory, "node_modules/reward-model-score"));
  symlinkSync(resolve("packages/jinja"), join(directory, "node_modules/@reward-model-score/jinja"));
  // What the examples call the reader's own model.
  symlinkSync(resolve("models/demo"), join(directory, "my-reward-model"));
  // npx starts the command line that is built here; what npm would install is there already.
  const bin = join(directory, "bin");
  mkdirSync(bin);
  script(join(bin, "npx"), `shift\nexec "${process.execPath}" "${MAIN}" "$@"`);
  script(join(bin, "npm"), '[ "$1" = install ]');
  environment = {
    ...process.env,
    PATH: `${bin}${delimiter}${process.env.PATH}`,
    LIBTORCH: (await findLibtorch()).root,
    HF_HOME: join(directory, "hf"),
    HF_HUB_OFFLINE: "1",
  };
});

function script(path: string, text: string): void {
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
}

const named = (blocks: Block[]) => blocks.map((block): [string, Block] => [block.at, block]);

/** Models of the Hub are too large to fetch: the demo model takes their place. Comments give what they lack. */
function runnable({ code }: Block): string {
  const local = code.replaceAll(/(model: )"[\w.-]+\/[\w.-]+"/g, '$1"demo"');
  const imports = /^import /m.test(local)
    ? ""
    : 'import { RewardModelScore, RewardModelScoreError } from "reward-model-score";\n';
  return imports + local;
}

describe("TypeScript", () => {
  const blocks = blocksOf("ts");

  it("has the types that it uses", () => {
    const files = blocks.map((block, index) => {
      const path = join(directory, `types-${index}.mts`);
      writeFileSync(path, runnable(block));
      return path;
    });
    const program = ts.createProgram(files, {
      module: ts.ModuleKind.Node16,
      moduleResolution: ts.ModuleResolutionKind.Node16,
      target: ts.ScriptTarget.ES2023,
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: ["node"],
      typeRoots: [resolve("node_modules/@types")],
    });
    const complaints = ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
      const index = Number(/types-(\d+)/.exec(file?.fileName ?? "")?.[1]);
      return `${blocks[index]?.at}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
    });
    expect(complaints).toEqual([]);
  });

  it.each(named(blocks))("runs: %s", (_at, block) => {
    const { outputText } = ts.transpileModule(runnable(block), {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    });
    run("example.mjs", outputText);
  });
});

describe("JavaScript", () => {
  it.each(named(blocksOf("js")))("runs: %s", (_at, block) => {
    run(/require\(/.test(block.code) ? "example.cjs" : "example.mjs", block.code);
  });
});

function run(name: string, code: string): void {
  writeFileSync(join(directory, name), code);
  const { status, stderr } = spawnSync(process.execPath, [name], {
    cwd: directory,
    env: environment,
    encoding: "utf8",
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
}

describe("Python", () => {
  const python = pythonWith();

  it.runIf(python).each(named(blocksOf("python")))("compiles: %s", (_at, { code }) => {
    const { status, stderr } = spawnSync(
      python!,
      ["-c", "compile(__import__('sys').stdin.read(), 'example', 'exec')"],
      {
        input: code,
        encoding: "utf8",
      },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });
});

/** Lines that are not run, and why. */
const NOT_RUN: [pattern: RegExp, reason: string][] = [
  [/^npm (test|run |ci$|version )/, "a test of its own, or longer than a test"],
  [/^npx vitest /, "a test of its own"],
  [/^node /, "a script that takes minutes"],
  [/^python /, "needs Python's packages; what is exported is scored below"],
  [/^(git|cd|sudo|docker) /, "of the machine or of another repository"],
  [
    /^npx reward-model-score (download|cache remove|setup --offline|setup --device)\b/,
    "needs the Hub, or a file of half a gigabyte",
  ],
];

describe("commands", () => {
  const blocks = blocksOf("sh");
  const lines = blocks.flatMap(({ at, code }) =>
    code
      .trim()
      .split("\n")
      .flatMap((line) => line.split(" && "))
      .map((line): [string, string] => [line.replace(/\s+#.*$/, ""), at]),
  );

  it("are marked as such", () => {
    expect(indentedCommands()).toEqual([]);
    expect(lines.length).toBeGreaterThan(10);
  });

  it.each(lines.filter(([line]) => line.startsWith("npx reward-model-score ")))(
    "has the options of: %s",
    (line) => parse(line.split(/\s+/).slice(2)),
  );

  it.each(lines.filter(([line]) => line.startsWith("npm run ")))("has the script of: %s", (line) => {
    const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as {
      scripts: Record<string, string>;
    };
    expect(Object.keys(scripts)).toContain(line.split(" ")[2]);
  });

  it.each(lines.filter(([line]) => /^(python|node|npx vitest run) /.test(line)))(
    "has the files of: %s",
    (line) => {
      const paths = line
        .split(" ")
        .filter((word) => /^(node_modules|scripts|test)\//.test(word))
        .map((word) => word.replace(/^node_modules\/reward-model-score\//, ""));
      expect(paths).not.toEqual([]);
      expect(paths.filter((path) => !existsSync(path))).toEqual([]);
    },
  );

  const withTorch = pythonWith("torch", "transformers");

  it.runIf(withTorch).each(lines.filter(([line]) => line.includes("export_torchscript.py")))(
    "exports what is then scored: %s",
    { timeout: 120_000 },
    (line) => {
      const [script, , folder] = line.split(" ").slice(1) as [string, string, string];
      const options = { cwd: directory, env: environment, encoding: "utf8" } as const;
      const exported = spawnSync(withTorch!, [script, "my-reward-model", folder], options);
      expect(exported.status, exported.stderr).toBe(0);
      const input = JSON.stringify({ instruction: "How much is 2+2?", response: "4" });
      const { stdout } = spawnSync(process.execPath, [MAIN, "score", "-", "--model", folder], {
        ...options,
        input,
      });
      expect((JSON.parse(stdout) as { score: number }).score).toBeGreaterThan(0);
    },
  );

  it.each(named(blocks))("run as written, or are known not to: %s", (_at, { code }) => {
    const commands = code
      .trim()
      .split("\n")
      .filter((line) => !NOT_RUN.some(([pattern]) => pattern.test(line)));
    const { status, stderr } = spawnSync("sh", ["-e"], {
      input: commands.join("\n"),
      cwd: directory,
      env: environment,
      encoding: "utf8",
    });
    expect(status, stderr).toBe(0);
  });

  it("score what the quick start says", () => {
    const quickStart = blocks.find(({ at, code }) => at.startsWith("README.md") && code.includes("npx "))!;
    const { stdout } = spawnSync("sh", ["-e"], {
      input: quickStart.code,
      cwd: directory,
      env: environment,
      encoding: "utf8",
    });
    const row = JSON.parse(stdout) as { score: number };
    expect(row).toMatchObject({ instruction: "How much is 2+2?", response: "4" });
    expect(row.score).toBeGreaterThan(0);
  });
});
