import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { RewardModelScore, type RewardModelScoreOptions } from "#lib/index.js";
import { readFixture } from "../parity/fixtures.js";
import { writeModelWithWords } from "./checkpoint-with-words.js";

// In the order of the model card of RLHFlow/ArmoRM-Llama3-8B-v0.1.
const ARMORM_ATTRIBUTES = [
  "helpsteer-helpfulness",
  "helpsteer-correctness",
  "helpsteer-coherence",
  "helpsteer-complexity",
  "helpsteer-verbosity",
  "ultrafeedback-overall_score",
  "ultrafeedback-instruction_following",
  "ultrafeedback-truthfulness",
  "ultrafeedback-honesty",
  "ultrafeedback-helpfulness",
  "beavertails-is_safe",
  "prometheus-score",
  "argilla-overall_quality",
  "argilla-judge_lm",
  "code-complexity",
  "code-style",
  "code-explanation",
  "code-instruction-following",
  "code-readability",
];
const GATE = { 40: "<|eot_id|>", 41: "<|start_header_id|>", 42: "assistant", 43: "<|end_header_id|>" };

async function load(options: RewardModelScoreOptions): Promise<RewardModelScore> {
  const step = new RewardModelScore({ torchDtype: "float32", threads: 1, ...options });
  onTestFinished(() => step.unload());
  await step.load();
  return step;
}

/** Numbers of any shape, each near the one that is expected. */
function near(expected: number[]): unknown[] {
  return expected.map((value) => expect.closeTo(value, 4) as unknown);
}

function errorLike(pattern: RegExp): unknown {
  return expect.stringMatching(pattern);
}

function named(values: number[]): Record<string, unknown> {
  return Object.fromEntries(near(values).map((value, i) => [ARMORM_ATTRIBUTES[i]!, value]));
}

async function stream(step: RewardModelScore, rows: Record<string, unknown>[]) {
  const scored: Record<string, unknown>[] = [];
  for await (const row of step.stream(rows)) scored.push(row);
  return scored;
}

describe("the score of a row, from text to number, is", () => {
  it("a number for a head with one label", async () => {
    const fixture = readFixture("llama-grouped");
    const { directory, rows } = writeModelWithWords(fixture);
    const step = await load({ model: directory });
    expect(await step.score(rows)).toEqual(near(fixture.float32.scores.flat()));
  });

  it("a list with a number for each label", async () => {
    const fixture = readFixture("llama-one-layer-three-labels");
    const { directory, rows } = writeModelWithWords(fixture);
    const step = await load({ model: directory });
    expect(await step.score(rows)).toEqual(fixture.float32.scores.map(near));
  });

  it("a list with a number for each step, also for a single one", async () => {
    const fixture = readFixture("qwen2-process-reward");
    const { directory, rows } = writeModelWithWords(fixture, { [fixture.stepToken!]: "<extra_0>" });
    const step = await load({ model: directory });
    expect(fixture.float32.scores[0]).toHaveLength(1);
    expect(await step.score(rows)).toEqual(fixture.float32.scores.map(near));
    const without = { conversation: [{ role: "user", content: "w1 w2 w3" }] };
    const [scored] = await stream(step, [without]);
    expect(scored).toMatchObject({ score: null, error: errorLike(/^ERR_INVALID_ROWS: /) });
  });
});

describe("a score that is not a number", () => {
  it("is an error that keeps the others' scores", async () => {
    const fixture = readFixture("llama-grouped");
    const { directory, rows } = writeModelWithWords(fixture);
    const used = new Set(fixture.rows.flat());
    const broken = Array.from({ length: 64 }, (_, id) => id).findLast((id) => !used.has(id))!;
    breakEmbedding(join(directory, "model.safetensors"), broken);
    const step = await load({ model: directory });
    const bad = { conversation: [{ role: "user", content: `w1 w${broken}` }] };
    const [first, second] = near(fixture.float32.scores.flat());

    await expect(step.score([rows[0]!, bad, rows[1]!])).rejects.toMatchObject({
      code: "ERR_NOT_FINITE",
      details: { rows: [1], scores: [first, null, second] },
    });
    const scored = await stream(step, [rows[0]!, bad, rows[1]!]);
    expect(scored.map(({ score }) => score)).toEqual([first, null, second]);
    expect(scored[1]!["error"]).toMatch(/^ERR_NOT_FINITE: /);
  });
});

describe("attributes", () => {
  it("are a gating head's rewards and coefficients of each row, where they are asked for", async () => {
    const fixture = readFixture("armorm");
    const { directory, rows } = writeModelWithWords(fixture, GATE);
    const step = await load({ model: directory, attributes: true });
    const scored = await stream(step, rows);
    expect(scored).toEqual(
      rows.map((row, i) => ({
        ...row,
        score: expect.closeTo(fixture.float32.scores[i]![0]!, 4) as unknown,
        attributes: {
          rewards: named(fixture.float32.rewards![i]!),
          gating: named(fixture.float32.gating![i]!),
        },
      })),
    );
  });

  it("are left out where they are not", async () => {
    const { directory, rows } = writeModelWithWords(readFixture("armorm"), GATE);
    const step = await load({ model: directory });
    for (const row of await stream(step, rows)) expect(row).not.toHaveProperty("attributes");
  });

  it("a row without the gate's tokens is an error of that row", async () => {
    const { directory, rows } = writeModelWithWords(readFixture("armorm"), GATE);
    const step = await load({ model: directory });
    const broken = { conversation: [{ role: "user", content: "w1 w2 w3" }] };
    const [first, second] = await stream(step, [broken, rows[0]!]);
    expect(first).toMatchObject({
      score: null,
      error: errorLike(/^ERR_INVALID_ROWS: .*gating network/),
    });
    expect(second!["score"]).toEqual(expect.any(Number));
  });
});

/** Fills a row of the embedding with NaN. */
function breakEmbedding(file: string, id: number): void {
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, start)) as Record<
    string,
    { shape: number[]; data_offsets: [number, number] }
  >;
  const { shape, data_offsets: offsets } = header["model.embed_tokens.weight"]!;
  for (let i = 0; i < shape[1]!; i++) bytes.writeFloatLE(NaN, start + offsets[0] + 4 * (id * shape[1]! + i));
  writeFileSync(file, bytes);
}
