import { copyFileSync, cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { RewardModelScore, type LoadProgress, type RewardModelScoreOptions } from "#lib/index.js";
import { DEMO_MODEL } from "#lib/demo.js";
import { openArchive } from "#lib/model/sources/archive.js";
import type { NativeBinding } from "#lib/native/binding.js";
import { openBinding } from "../native/archives.js";
import { readFixture } from "../parity/fixtures.js";
import { writeCheckpoint } from "../parity/tiny-checkpoint.js";
import { tinyWeights } from "../parity/tiny-weights.js";
import { legacyStateDict } from "../native/weights/legacy-file.js";
import { temporaryFolder } from "../temporary-folder.js";
import { expectScores, scores } from "./folder-scores.js";

let binding: NativeBinding;
beforeAll(async () => {
  binding = await openBinding();
});

it.each(["value_head.bin", "classifier.pt"])("a head in %s beside its trunk is loaded", async (file) => {
  const fixture = readFixture("trl-value-head");
  const trunk = Object.entries(fixture.tensors).filter(([name]) => !name.startsWith("v_head."));
  const { directory } = writeCheckpoint({ ...fixture, tensors: Object.fromEntries(trunk) });
  const head = fileURLToPath(new URL(`../fixtures/weights/${file}`, import.meta.url));
  copyFileSync(head, join(directory, file));
  expectScores(await scores(binding, directory, fixture), fixture);
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
  expectScores(await scores(binding, directory, fixture), fixture);
});

it("shards of .bin from before torch 1.6 are loaded", async () => {
  const fixture = readFixture("llama-grouped");
  const { directory, files } = writeCheckpoint(fixture);
  rmSync(files[0]!);
  const shards = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"];
  const map: Record<string, string> = {};
  for (const [at, shard] of shards.entries()) {
    const mine = Object.entries(fixture.tensors).filter((_, i) => i % 2 === at);
    const tensors = mine.map(([name, [shape, offset, exponent]]) => {
      const count = shape.reduce((product, size) => product * size, 1);
      return [name, { shape, values: tinyWeights(name, count, offset, exponent) }] as const;
    });
    writeFileSync(join(directory, shard), legacyStateDict(Object.fromEntries(tensors)));
    for (const [name] of mine) map[name] = shard;
  }
  writeFileSync(join(directory, "pytorch_model.bin.index.json"), JSON.stringify({ weight_map: map }));
  expectScores(await scores(binding, directory, fixture), fixture);
});

it("statistics that are not numbers, as a trainer that diverged writes them, are passed over", async () => {
  const fixture = readFixture("llama-grouped");
  const { directory } = writeCheckpoint(fixture);
  const config = JSON.stringify({ ...fixture.config, architectures: ["RewardModel"] });
  writeFileSync(join(directory, "config.json"), `${config.slice(0, -1)}, "mean": NaN, "std": Infinity}`);
  expectScores(await scores(binding, directory, fixture), fixture);
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

describe("statistics of the rewards in config.json", () => {
  const rows = [row, { ...row, response: "Five." }];
  const load = async (options: Omit<RewardModelScoreOptions, "outputMappings">) => {
    const news: LoadProgress[] = [];
    await using step = new RewardModelScore(options);
    await step.load({ onProgress: (progress) => void news.push(progress) });
    const { normalization } = step;
    const told = news.filter(({ phase }) => phase === "warning" || phase === "normalization");
    return { scores: await step.score(rows), normalization, told };
  };
  const withStatistics = (mean: number, std: number) =>
    demoWith({ "config.json": () => ({ architectures: ["RewardModel"], mean, std }) });

  it("are not applied, and told, unless somebody wants it", async () => {
    const { scores, normalization, told } = await load({ model: withStatistics(0.5, 2) });
    expect(scores).toEqual((await load({ model: "demo" })).scores);
    expect(normalization).toBeUndefined();
    expect(told).toEqual([
      { phase: "warning", message: expect.stringMatching(/mean 0\.5.*2.*raw.*--normalize model/) as string },
    ]);
  });

  it("make (score - mean) / std in float32 of it where they are, and are told", async () => {
    const { scores, normalization, told } = await load({
      model: withStatistics(-1.3, 0.7),
      normalize: "model",
    });
    const raw = Float32Array.from((await load({ model: "demo" })).scores);
    const difference = raw.map((score) => score - Math.fround(-1.3));
    expect(scores).toEqual(Array.from(difference.map((score) => score / Math.fround(0.7))));
    expect(normalization).toEqual({ mean: -1.3, std: 0.7 });
    expect(told).toEqual([{ phase: "normalization", mean: -1.3, std: 0.7 }]);
  });

  it("are those beside an archive too", async () => {
    const archive = fileURLToPath(new URL("../fixtures/archives/column.pt", import.meta.url));
    const files = { directory: withStatistics(0.5, 2), weights: [], archive };
    expect((await openArchive(binding, files))!.statistics).toEqual({ mean: 0.5, std: 2 });
  });

  it.each([
    [() => "demo", /has no mean and std/],
    [() => withStatistics(0.5, 0), /the deviation 0/],
    [() => withStatistics(0.5, -1), /the deviation -1/],
  ])("are an error where the model has none that divide", async (model, message) => {
    await expect(load({ model: model(), normalize: "model" })).rejects.toMatchObject({
      code: "ERR_INVALID_OPTION",
      message: expect.stringMatching(message) as string,
      details: { option: "normalize" },
    });
  });
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
