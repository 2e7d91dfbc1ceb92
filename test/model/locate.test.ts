import { copyFileSync, cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { basename, join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { createPooling } from "#lib/architectures/pooling.js";
import { RewardModelScore, type LoadProgress } from "#lib/index.js";
import { DEMO_MODEL } from "#lib/model/demo.js";
import { locateModel } from "#lib/model/locate.js";
import { openCheckpoint } from "#lib/model/sources/checkpoint.js";
import type { NativeBinding } from "#lib/native/binding.js";
import { openBinding } from "../native/archives.js";
import { readFixture, type ArchitectureFixture } from "../parity/fixtures.js";
import { packRows } from "../parity/program.js";
import { writeCheckpoint } from "../parity/tiny-checkpoint.js";
import { temporaryFolder } from "../temporary-folder.js";
import { stagesOn } from "../native/stages-on.js";

let binding: NativeBinding;
beforeAll(async () => {
  binding = await openBinding();
});

/** Scores of the fixture's rows by the checkpoint in a folder. */
async function scores(directory: string, fixture: ArchitectureFixture): Promise<number[]> {
  const { checkpoint, architecture, spec } = (await openCheckpoint(binding, await locateModel(directory)))!;
  const model = await binding.loadProgram(spec, {
    checkpoint,
    dtype: "float32",
    threads: 1,
    ...stagesOn(spec, "cpu"),
  });
  checkpoint.close();
  const pool = createPooling(architecture.pooling, () => []);
  const positions = fixture.rows.map((row) => pool(Int32Array.from(row)));
  const { scores } = await model.forward(packRows(fixture, positions, [...fixture.rows.keys()]));
  await model.dispose();
  return Array.from(scores);
}

function expectScores(actual: number[], { float32 }: ArchitectureFixture) {
  for (const [row, expected] of float32.scores.entries()) expect(actual[row]).toBeCloseTo(expected[0]!, 4);
}

it("a head in value_head.bin beside its trunk is loaded", async () => {
  const fixture = readFixture("trl-value-head");
  const trunk = Object.entries(fixture.tensors).filter(([name]) => !name.startsWith("v_head."));
  const { directory } = writeCheckpoint({ ...fixture, tensors: Object.fromEntries(trunk) });
  const head = fileURLToPath(new URL("../fixtures/weights/value_head.bin", import.meta.url));
  copyFileSync(head, join(directory, "value_head.bin"));
  expectScores(await scores(directory, fixture), fixture);
});

it("shards in a folder below are loaded, and not the file of another form beside them", async () => {
  const fixture = readFixture("llama-grouped");
  const { directory, files } = writeCheckpoint(fixture, { shards: 3 });
  mkdirSync(join(directory, "below"));
  for (const file of files) renameSync(file, join(directory, "below", basename(file)));
  const index = join(directory, "model.safetensors.index.json");
  const text = readFileSync(index, "utf8").replaceAll('"model-0', '"below/model-0');
  writeFileSync(index, text);
  writeFileSync(join(directory, "pytorch_model.bin"), "another");
  expectScores(await scores(directory, fixture), fixture);
});

it("statistics that are not numbers, as a trainer that diverged writes them, are passed over", async () => {
  const fixture = readFixture("llama-grouped");
  const { directory } = writeCheckpoint(fixture);
  const config = JSON.stringify({ ...fixture.config, architectures: ["RewardModel"] });
  writeFileSync(join(directory, "config.json"), `${config.slice(0, -1)}, "mean": NaN, "std": Infinity}`);
  expectScores(await scores(directory, fixture), fixture);
});

/** The demo model with changes of its files. */
function demoWith(changes: Record<string, (json: Record<string, unknown>) => object>): string {
  const folder = temporaryFolder("locate");
  cpSync(DEMO_MODEL, folder, { recursive: true });
  rmSync(join(folder, "model.pt"), { force: true });
  for (const [file, change] of Object.entries(changes)) {
    const path = join(folder, file);
    const json = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    writeFileSync(path, JSON.stringify({ ...json, ...change(json) }));
  }
  return folder;
}

const row = { instruction: "How much is 2+2?", response: "4" };

it("what a config says of the score and is not applied is told while the model is loaded", async () => {
  const folder = demoWith({ "config.json": () => ({ architectures: ["RewardModel"], mean: 0.5, std: 2 }) });
  const news: LoadProgress[] = [];
  const scoreOf = async (model: string) => {
    await using step = new RewardModelScore({ model });
    await step.load({ onProgress: (progress) => void news.push(progress) });
    return step.score([row]);
  };
  expect(await scoreOf(folder)).toEqual(await scoreOf("demo"));
  expect(news.filter(({ phase }) => phase === "warning")).toEqual([
    { phase: "warning", message: expect.stringContaining("mean 0.5") as string },
  ]);
});

it("a tokenizer that was saved while it cut and padded, with a token that the model has not, scores as before", async () => {
  const added = { id: 1_000_000, content: "[NEW]", single_word: false, lstrip: false, rstrip: false };
  const folder = demoWith({
    "tokenizer.json": ({ added_tokens }) => ({
      truncation: { direction: "Right", max_length: 3, strategy: "LongestFirst", stride: 0 },
      padding: { strategy: { Fixed: 64 }, direction: "Right", pad_id: 0, pad_type_id: 0, pad_token: "x" },
      added_tokens: [...(added_tokens as object[]), { ...added, normalized: false, special: true }],
    }),
  });
  await using demo = new RewardModelScore({ model: "demo" });
  await demo.load();
  await using step = new RewardModelScore({ model: folder });
  await step.load();
  const scored: unknown[] = [];
  for await (const { score } of step.stream([row, { ...row, response: "[NEW]" }, row])) scored.push(score);
  const [alone] = await demo.score([row]);
  expect(scored).toEqual([alone, null, alone]);
});
