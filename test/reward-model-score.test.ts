import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RewardModelScoreError } from "#lib/errors.js";
import { RewardModelScore } from "#lib/reward-model-score.js";
import type { ScoringProgress } from "#lib/scoring/scorer.js";

const model = fileURLToPath(new URL("./fixtures/classifiers/llama", import.meta.url));

const rows = Array.from({ length: 60 }, (_, i) => ({
  id: i,
  instruction: `How much is ${i}+${i % 7}?`,
  response: i % 3 === 0 ? "I do not know. ".repeat(1 + (i % 11)) : String(i + (i % 7)),
}));

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** An archive's scores may differ in the last bits between batches; those of built-in programs may not. */
function near(score: number) {
  return expect.closeTo(score, 5) as unknown;
}

function code(expected: string) {
  return expect.objectContaining({ code: expected }) as unknown;
}

describe("a loaded model", () => {
  const step = new RewardModelScore({ model });
  let scores: number[];
  beforeAll(async () => {
    await step.load();
    scores = (await step.score(rows)) as number[];
  });
  afterAll(() => step.unload());

  it("gives plain numbers, one for each row", () => {
    expect(scores).toHaveLength(rows.length);
    expect(scores.every(Number.isFinite)).toBe(true);
    expect(new Set(scores).size).toBeGreaterThan(rows.length / 2);
  });

  it("scores a row alone as it does among others", async () => {
    const [alone] = (await step.score([rows[17]!])) as number[];
    expect(alone).toBeCloseTo(scores[17]!, 5);
  });

  it("yields batches of inputBatchSize and leaves the rows alone", async () => {
    const copy = structuredClone(rows);
    const batches = await collect(step.process(rows));
    expect(batches.map((batch) => batch.length)).toEqual([50, 10]);
    expect(batches.flat()).toEqual(rows.map((row, i) => ({ ...row, score: scores[i] })));
    expect(rows).toEqual(copy);
  });

  it("streams in order, with a bad row's error in its place and its neighbours unharmed", async () => {
    const mixed: Record<string, unknown>[] = [rows[0]!, { id: "bad", instruction: "no response" }, rows[1]!];
    mixed.push({ id: "empty", conversation: [] });
    const scored = await collect(step.stream(mixed));
    expect(scored.map((row) => row["score"])).toEqual([near(scores[0]!), null, near(scores[1]!), null]);
    expect(scored[1]).toMatchObject({
      id: "bad",
      error: expect.stringMatching(/^ERR_INVALID_ROWS: response: /) as string,
    });
    expect(scored[3]).toMatchObject({ error: expect.stringContaining("conversation") as string });
    expect(scored[0]).not.toHaveProperty("error");
  });

  it("reads no further than it needs", async () => {
    let read = 0;
    const endless = (function* () {
      for (;;) {
        read++;
        yield rows[read % rows.length]!;
      }
    })();
    let seen = 0;
    for await (const row of step.stream(endless)) {
      expect(row["score"]).not.toBeNull();
      if (++seen === 5) break;
    }
    expect(read).toBeLessThanOrEqual(3 * 512);
    expect(endless.next().done).toBe(true); // the source was closed
  });

  it("reports every bad row at once and computes nothing", async () => {
    const bad = [...rows, { instruction: 5, response: "x" }, { conversation: [{ role: "user" }] }, null];
    const events: ScoringProgress[] = [];
    const scoring = step.score(bad as never, { onProgress: (event) => events.push(event) });
    const error = await scoring.catch((reason: unknown) => reason);
    expect(RewardModelScoreError.is(error, "ERR_INVALID_ROWS")).toBe(true);
    const { problems } = (error as RewardModelScoreError<"ERR_INVALID_ROWS">).details;
    expect(problems.map(({ index, path }) => [index, path])).toEqual([
      [60, "instruction"],
      [61, "conversation[0].content"],
      [62, ""],
    ]);
    expect(events).toEqual([]);
  });

  it("counts rows and tokens in its progress", async () => {
    const events: ScoringProgress[] = [];
    await step.score(rows, { onProgress: (event) => events.push(event) });
    expect(events.at(-1)).toMatchObject({ rows: rows.length, truncatedRows: 0 });
    expect(events.at(-1)!.tokens).toBeGreaterThan(rows.length * 5);
  });

  it("rejects with the signal's reason before and during the work, and ignores it after", async () => {
    const reason = new Error("enough");
    await expect(step.score(rows, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);

    const controller = new AbortController();
    const scoring = step.score(rows, { signal: controller.signal });
    controller.abort(reason);
    await expect(scoring).rejects.toBe(reason);

    const late = new AbortController();
    const stream = step.stream(rows, { signal: late.signal });
    await stream.next();
    late.abort(reason);
    await expect(collect(stream)).rejects.toBe(reason);

    const after = new AbortController();
    await expect(step.score(rows, { signal: after.signal })).resolves.toEqual(scores);
    after.abort(reason);
    await expect(step.score(rows)).resolves.toEqual(scores);
  });

  it("does not wait for a silent source when it is aborted or left", async () => {
    const reason = new Error("enough");
    const silent = async function* () {
      yield* rows.slice(0, 512);
      for (let i = rows.length; i < 512; i++) yield rows[0]!;
      await new Promise(() => {});
    };
    const controller = new AbortController();
    const stream = step.stream(silent(), { signal: controller.signal });
    for (let i = 0; i < 512; i++) await stream.next();
    const waiting = stream.next();
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);

    for await (const row of step.stream(silent())) {
      expect(row["score"]).not.toBeNull();
      break;
    }
  });

  it("scores nothing without complaint", async () => {
    expect(await step.score([])).toEqual([]);
    expect(await collect(step.process([]))).toEqual([]);
    expect(await collect(step.stream([]))).toEqual([]);
  });
});

describe("loading and unloading", () => {
  it("refuses work without a model", async () => {
    const step = new RewardModelScore({ model });
    await expect(step.score(rows)).rejects.toEqual(code("ERR_NOT_LOADED"));
    await expect(collect(step.process(rows))).rejects.toEqual(code("ERR_NOT_LOADED"));
    await expect(collect(step.stream(rows))).rejects.toEqual(code("ERR_NOT_LOADED"));
    await step.unload();
  });

  it("waits for running work, twice if asked, and can load again", async () => {
    const step = new RewardModelScore({ model });
    await Promise.all([step.load(), step.load()]);
    const scoring = step.score(rows);
    await Promise.all([step.unload(), step.unload()]);
    expect(await scoring).toHaveLength(rows.length);
    await expect(step.score(rows)).rejects.toEqual(code("ERR_NOT_LOADED"));
    await step.load();
    expect(await step.score(rows)).toEqual(await scoring);
    await step[Symbol.asyncDispose]();
  });

  it("ends a stream whose model is gone with an error, not with silence", async () => {
    const step = new RewardModelScore({ model });
    await step.load();
    const many = (function* () {
      for (let i = 0; i < 5000; i++) yield rows[i % rows.length]!;
    })();
    const stream = step.stream(many);
    await stream.next();
    const unloading = step.unload();
    await expect(collect(stream)).rejects.toEqual(code("ERR_NOT_LOADED"));
    await unloading;
  });

  it("rejects an aborted load and can be loaded afterwards", async () => {
    const step = new RewardModelScore({ model });
    const reason = new Error("no");
    await expect(step.load({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const loading = step.load({ signal: controller.signal });
    controller.abort(reason);
    await expect(loading).rejects.toBe(reason);
    await step.load();
    await step.unload();
  });

  it("says where it looked for a model that does not exist", async () => {
    const step = new RewardModelScore({ model: "./no/such/model" });
    await expect(step.load()).rejects.toEqual(code("ERR_NOT_FOUND"));
  });
});

describe("options", () => {
  it.each([
    [{ model: "" }, "model"],
    [{ model, torchDtype: "int8" }, "torchDtype"],
    [{ model, maxLength: 0, truncation: true }, "maxLength"],
    [{ model, maxLength: 10 }, "maxLength"],
    [{ model, inputBatchSize: 1.5 }, "inputBatchSize"],
    [{ model, batchSize: 8 }, "batchSize"],
    [{ model, inputMappings: { prompt: "instruction" } }, "inputMappings"],
  ])("refuses %j and names the option", (options, option) => {
    const construct = () => new RewardModelScore(options as never);
    expect(construct).toThrow(expect.objectContaining({ code: "ERR_INVALID_OPTION", details: { option } }));
    expect(construct).toThrow(new RegExp(option));
  });

  it("reads and writes mapped columns", async () => {
    await using step = new RewardModelScore({
      model,
      inputMappings: { instruction: "prompt", response: "answer" },
      outputMappings: { score: "reward" },
    });
    await step.load();
    const [batch] = await collect(step.process([{ prompt: "How much is 2+2?", answer: "4" }]));
    const row = batch![0];
    expect(row).toMatchObject({ prompt: "How much is 2+2?", reward: expect.any(Number) as number });
    expect(row).not.toHaveProperty("score");
  });

  it("cuts long texts only when told to, and counts what it cut", async () => {
    await using step = new RewardModelScore({ model, truncation: true, maxLength: 12 });
    await step.load();
    const events: ScoringProgress[] = [];
    await step.score([{ instruction: "How much is 2+2?", response: "It is 4. ".repeat(20) }], {
      onProgress: (event) => events.push(event),
    });
    expect(events.at(-1)).toMatchObject({ tokens: 12, truncatedRows: 1 });
    expect(events.at(-1)!.truncatedTokens).toBeGreaterThan(20);
  });
});
