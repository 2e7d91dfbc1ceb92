import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DoctorReport } from "#lib/cli/doctor/inspect.js";
import { findLibtorch } from "#lib/libtorch/find.js";
import { managers, npm } from "./managers.js";
import { jinjaPackage, platform, platformPackage, published } from "./packages.js";
import { Project, type Result } from "./project.js";
import { Registry } from "./registry.js";

const ROWS = [
  { instruction: "How much is 2+2?", response: "4" },
  { instruction: "How much is 2+2?", response: "5" },
];
const SCORING = `
const step = new RewardModelScore({ model: "demo" });
await step.load();
console.log(JSON.stringify(await step.score(${JSON.stringify(ROWS)})));
await step.unload();
const wrong = await step.score([]).catch((error) => error);
if (!(wrong instanceof RewardModelScoreError) || wrong.code !== "ERR_NOT_LOADED") throw wrong;
`;
const ESM = `import { RewardModelScore, RewardModelScoreError } from "reward-model-score";\n${SCORING}`;
const REQUIRE = `
const { RewardModelScore, RewardModelScoreError } = require("reward-model-score");
(async () => {
${SCORING}
if ((await import("reward-model-score")).RewardModelScore !== RewardModelScore) throw new Error("two copies");
})();`;
const DYNAMIC_IMPORT = `
import("reward-model-score").then(async ({ RewardModelScore, RewardModelScoreError }) => {
${SCORING}
});`;

let registry: Registry;
let environment: Record<string, string>;

beforeAll(async () => {
  environment = { LIBTORCH: (await findLibtorch()).root };
  registry = await Registry.start(published());
});

afterAll(() => registry.stop());

function expectScores(result: Result): void {
  expect(result).toMatchObject({ status: 0 });
  const lines = result.stdout.trim().split("\n");
  const scores = lines.flatMap((line) => {
    const value = JSON.parse(line) as number[] | { score: number };
    return Array.isArray(value) ? value : value.score;
  });
  expect(scores).toHaveLength(ROWS.length);
  expect(scores[0]).toBeGreaterThan(0);
  expect(scores[1]).toBeLessThan(0);
}

describe.each(managers)("installed with $name, without install scripts", (manager) => {
  let project: Project;

  beforeAll(async () => {
    project = new Project({ name: "empty", private: true });
    project.write("rows.jsonl", ROWS.map((row) => `${JSON.stringify(row)}\n`).join(""));
    expect(await manager.install(project, registry.url)).toMatchObject({ status: 0 });
  });

  afterAll(() => project.remove());

  it("scores with the demo model from the command line", async () => {
    expectScores(await manager.run(project, ["score", "rows.jsonl", "--model", "demo"], environment));
  });

  it("is imported", async () => {
    project.write("app.mjs", ESM);
    expectScores(await manager.node(project, "app.mjs", environment));
  });

  it(manager.canRequire ? "is required" : "is imported by CommonJS", async () => {
    project.write("app.cjs", manager.canRequire ? REQUIRE : DYNAMIC_IMPORT);
    const result = await manager.node(project, "app.cjs", environment);
    expectScores(result);
    // Node warns of ES modules that are required from outside of node_modules.
    expect(result.stderr).toBe("");
  });
});

describe("installed with npm", () => {
  let project: Project;

  beforeAll(async () => {
    project = new Project({ name: "empty", private: true });
    project.write("rows.jsonl", `${JSON.stringify(ROWS[0])}\n`);
    registry.fetched.clear();
    expect(await npm.install(project, registry.url)).toMatchObject({ status: 0 });
  });

  afterAll(() => project.remove());

  it("fetches and uses the package of this platform, and of no other", async () => {
    expect([...registry.fetched].sort()).toEqual(
      [jinjaPackage, platformPackage, "reward-model-score"].sort(),
    );
    const result = await npm.run(project, ["doctor", "--json"], environment);
    const report = JSON.parse(result.stdout) as DoctorReport;
    expect(report).toMatchObject({ ok: true, problems: [] });
    expect(report.addon).toContain(join("node_modules", platformPackage));
  });

  it.each([
    { resolution: "node16", module: "node16", extensions: ["mts", "cts"] },
    { resolution: "bundler", module: "esnext", extensions: ["ts"] },
  ])("has types under $resolution", async ({ resolution, module, extensions }) => {
    const files = extensions.map((extension) => `types.${extension}`);
    for (const file of files) project.write(file, readFileSync("test/types/usage.mts", "utf8"));
    const flags = ["--noEmit", "--strict", "--target", "es2022", "--module", module];
    const types = [
      "--moduleResolution",
      resolution,
      "--types",
      "node",
      "--typeRoots",
      resolve("node_modules/@types"),
    ];
    const tsc = resolve("node_modules/typescript/bin/tsc");
    const result = await project.run("node", [tsc, ...flags, ...types, ...files]);
    expect(result).toMatchObject({ status: 0, stdout: "" });
  });

  it("is required by the tests of Jest, whose own require knows no ES modules", async () => {
    const jest = ["install", "jest@30", "--ignore-scripts", "--no-audit", "--no-fund"];
    expect(await project.run("npm", jest, { npm_config_registry: registry.url })).toMatchObject({
      status: 0,
    });
    for (const name of ["first", "second"]) {
      project.write(
        `${name}.test.js`,
        `const { RewardModelScore, RewardModelScoreError } = require("reward-model-score");
         test("scores", async () => {
           const step = new RewardModelScore({ model: "demo" });
           await step.load();
           const rows = ${JSON.stringify(ROWS)};
           const [right, wrong] = await step.score(rows, { signal: AbortSignal.timeout(60_000) });
           expect(right).toBeGreaterThan(wrong);
           for await (const batch of step.process(rows)) {
             expect(batch).toStrictEqual([{ ...rows[0], score: right }, { ...rows[1], score: wrong }]);
           }
           const refused = step.score([{ instruction: "x" }]);
           await expect(refused).rejects.toBeInstanceOf(RewardModelScoreError);
           await expect(refused).rejects.toThrow("response is missing");
           await step.unload();
         }, 60_000);`,
      );
    }
    // One after the other in one process: what is native is shared.
    const test = () => project.run("node", ["node_modules/jest/bin/jest.js", "--runInBand"], environment);
    const result = await test();
    expect(result.stderr).toContain("2 passed, 2 total");
    expect(result).toMatchObject({ status: 0 });
  });

  it("finds libtorch in the cache that setup --libtorch fills", async () => {
    const cache = { REWARD_MODEL_SCORE_CACHE: join(project.folder, "cache") };
    const score = () => npm.run(project, ["score", "rows.jsonl", "--model", "demo"], cache);
    const before = await score();
    expect(before.status).toBe(2);
    expect(before.stderr).toMatch(/^reward-model-score: ERR_RUNTIME_NOT_FOUND: /);
    expect(before.stderr).toContain('Run "npx reward-model-score setup"');
    const setup = await npm.run(project, ["setup", "--libtorch", environment.LIBTORCH!], cache);
    expect(setup).toMatchObject({ status: 0 });
    expect(await score()).toMatchObject({ status: 0 });
  });

  it("is bundled as an external package, and says what a bundler cannot take in", () => {
    project.write("entry.mjs", ESM);
    const esbuild = (...flags: string[]) => {
      const args = [
        "entry.mjs",
        "--bundle",
        "--platform=node",
        "--format=esm",
        "--outfile=bundle.mjs",
        ...flags,
      ];
      execFileSync(resolve("node_modules/.bin/esbuild"), args, { cwd: project.folder, stdio: "pipe" });
    };
    esbuild("--packages=external");
    expect(() => esbuild()).toThrow(/No loader is configured for "\.node" files: .*engine\.node/);
  });

  it("names the platform and the command where the platform's package is missing, or another version", async () => {
    const folder = join(project.folder, "node_modules", platformPackage);
    const manifest = JSON.parse(project.read(`${folder}/package.json`)) as { version: string };
    const command = `npm install ${platformPackage}@${manifest.version}`;
    const score = () => npm.run(project, ["score", "rows.jsonl", "--model", "demo"], environment);

    project.write(`${folder}/package.json`, JSON.stringify({ ...manifest, version: "0.0.1" }));
    const other = await score();
    expect(other.status).toBe(2);
    expect(other.stderr).toMatch(/^reward-model-score: ERR_ADDON: .* is version 0\.0\.1, but /);
    expect(other.stderr).toContain(command);

    project.delete(`${folder}/engine.node`);
    project.write(`${folder}/package.json`, JSON.stringify(manifest));
    const incomplete = await score();
    expect(incomplete.status).toBe(2);
    expect(incomplete.stderr).toContain(`ERR_ADDON: ${folder} lacks`);

    project.delete(folder);
    const missing = await score();
    expect(missing.status).toBe(2);
    expect(missing.stderr).toContain(`ERR_ADDON: No addon for ${platform}`);
    expect(missing.stderr).toContain(command);
  });
});

describe("what renders templates, installed alone", () => {
  const RENDERING = `
const text = new Template("{{ [none, 1] }}").render();
let raised;
try {
  new Template("{{ x.y }}").render();
} catch (error) {
  raised = error instanceof TemplateError;
}
console.log(text, raised);
`;
  let project: Project;

  beforeAll(async () => {
    project = new Project({ name: "empty", private: true });
    registry.fetched.clear();
    const install = ["install", jinjaPackage, "--ignore-scripts", "--no-audit", "--no-fund"];
    expect(await project.run("npm", install, { npm_config_registry: registry.url })).toMatchObject({
      status: 0,
    });
  });

  afterAll(() => project.remove());

  it.each([
    ["imported", "app.mjs", `import { Template, TemplateError } from "${jinjaPackage}";`],
    ["required", "app.cjs", `const { Template, TemplateError } = require("${jinjaPackage}");`],
  ])("is %s", async (_how, file, head) => {
    expect([...registry.fetched]).toEqual([jinjaPackage]);
    project.write(file, head + RENDERING);
    expect(await project.run("node", [file])).toEqual({ status: 0, stdout: "[None, 1] true\n", stderr: "" });
  });

  it("is bundled for browsers", async () => {
    project.write("entry.mjs", `import { Template, TemplateError } from "${jinjaPackage}";${RENDERING}`);
    const args = ["entry.mjs", "--bundle", "--platform=browser", "--format=esm", "--outfile=bundle.mjs"];
    execFileSync(resolve("node_modules/.bin/esbuild"), args, { cwd: project.folder, stdio: "pipe" });
    expect(await project.run("node", ["bundle.mjs"])).toMatchObject({
      status: 0,
      stdout: "[None, 1] true\n",
    });
  });
});
