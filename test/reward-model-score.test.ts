import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RewardModelScoreError } from "#lib/errors.js";
import { RewardModelScore } from "#lib/reward-model-score.js";
import { DEMO_MODEL } from "#lib/demo.js";
import type { LoadProgress } from "#lib/model/load-progress.js";
import type { ScoringProgress } from "#lib/scoring/scorer.js";
import { anyValue, membersOf } from "./arbitrary-values.js";
import { temporaryFolder } from "./temporary-folder.js";

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

/** What a caller's own code throws. */
const mine = new Error("mine");

function code(expected: string) {
  return expect.objectContaining({ code: expected }) as unknown;
}

describe("a loaded model", () => {
  const step = new RewardModelScore({ model });
  let scores: number[];
  beforeAll(async () => {
    await step.load();
    scores = await step.score(rows);
  });
  afterAll(() => step.unload());

  it("gives plain numbers, one for each row", () => {
    expect(scores).toHaveLength(rows.length);
    expect(scores.every(Number.isFinite)).toBe(true);
    expect(new Set(scores).size).toBeGreaterThan(rows.length / 2);
  });

  it("scores a row alone as it does among others", async () => {
    const [alone] = await step.score([rows[17]!]);
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

  it("says of a row that template or tokenizer refuse which of them it was", async () => {
    const chatTemplate =
      "{% for m in messages %}{% if 'never' in m.content %}{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}{% endif %}{{ m.content }}{% endfor %}";
    await using other = new RewardModelScore({ model: "demo", chatTemplate });
    await other.load();
    const never = { instruction: "never", response: "4" };
    const long = { instruction: "x".repeat(40_000_000), response: "4" };
    const scored = await collect(other.stream([rows[0]!, never, rows[1]!, long, rows[2]!]));
    const codes = scored.map((row) => row["error"]?.split(":")[0]);
    expect(codes).toEqual([undefined, "ERR_CHAT_TEMPLATE", undefined, "ERR_INVALID_ROWS", undefined]);
    await expect(other.score([rows[0]!, never])).rejects.toMatchObject({
      code: "ERR_INVALID_ROWS",
      details: { problems: [{ index: 1, path: "", code: "ERR_CHAT_TEMPLATE" }] },
    });
  });

  it("is unloaded although a row never ends, and loads anew", async () => {
    const tokenizer = temporaryFolder("tokenizer");
    cpSync(DEMO_MODEL, tokenizer, { recursive: true });
    const path = join(tokenizer, "tokenizer.json");
    const definition = JSON.parse(readFileSync(path, "utf8")) as object;
    const pre_tokenizer = {
      type: "Split",
      pattern: { Regex: "(a+)+!" },
      behavior: "Isolated",
      invert: false,
    };
    writeFileSync(path, JSON.stringify({ ...definition, pre_tokenizer }));
    const other = new RewardModelScore({ model: "demo", tokenizer });
    await other.load();
    const endless = other.score([rows[0]!, { instruction: "a".repeat(60), response: "4" }]);
    const failure = endless.catch((error: unknown) => error);
    await other.unload();
    expect(await failure).toMatchObject({ code: "ERR_NOT_LOADED" });
    await other.load();
    await other.unload();
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
    expect(events.at(-1)).toMatchObject({ rows: rows.length, totalRows: rows.length, truncatedRows: 0 });
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
    const stream = step.stream(rows.slice(0, 2), { signal: late.signal });
    await stream.next();
    late.abort(reason);
    // Also the rows that are done: what was given up yields no more.
    await expect(stream.next()).rejects.toBe(reason);

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

  it("knows the number of rows where it can be known", async () => {
    const totals = async (scoring: (onProgress: (event: ScoringProgress) => void) => Promise<unknown>) => {
      const events: ScoringProgress[] = [];
      await scoring((event) => events.push(event));
      return new Set(events.map(({ totalRows }) => totalRows));
    };
    const some = rows.slice(0, 10);
    expect(await totals((onProgress) => step.score(new Set(some), { onProgress }))).toEqual(new Set([10]));
    expect(await totals((onProgress) => collect(step.process(some, { onProgress })))).toEqual(new Set([10]));
    expect(await totals((onProgress) => collect(step.stream(some, { onProgress })))).toEqual(new Set([10]));
    expect(await totals((onProgress) => collect(step.stream(some.values(), { onProgress })))).toEqual(
      new Set([undefined]),
    );
  });

  describe.each([
    ["throws", () => { throw mine; }], // prettier-ignore
    ["rejects", () => Promise.reject(mine)],
    ["rejects later", () => Promise.resolve().then(() => Promise.resolve()).then(() => Promise.reject(mine))], // prettier-ignore
  ] as const)("when onProgress %s", (_name, fail) => {
    it.each([
      ["score", (onProgress: () => unknown) => step.score(rows, { onProgress })],
      ["process", (onProgress: () => unknown) => collect(step.process(rows, { onProgress }))],
      ["stream", (onProgress: () => unknown) => collect(step.stream(rows, { onProgress }))],
      ["load", (onProgress: () => unknown) => new RewardModelScore({ model }).load({ onProgress })],
    ] as const)("rejects %s with that, once", async (_method, run) => {
      let calls = 0;
      await expect(run(() => (calls++, fail()))).rejects.toBe(mine);
      expect(calls).toBe(1);
      await expect(step.score(rows)).resolves.toEqual(scores);
    });
  });

  it("waits for what onProgress promises, but not for one that unloads", async () => {
    let open = 0;
    const onProgress = async () => {
      open++;
      for (let turn = 0; turn < 20; turn++) await setImmediate();
      open--;
    };
    await step.score(rows, { onProgress });
    expect(open).toBe(0);
    await collect(step.stream(rows, { onProgress }));
    expect(open).toBe(0);
    const other = new RewardModelScore({ model });
    await other.load();
    await other.score(rows, { onProgress: () => other.unload() });
    await expect(other.score(rows)).rejects.toEqual(code("ERR_NOT_LOADED"));
  });

  it("takes rows from any iterable and leaves what its iterator throws as it is", async () => {
    const asynchronous = async function* () {
      await Promise.resolve();
      yield* rows;
    };
    expect(await step.score(asynchronous())).toEqual(scores);
    const broken = function* () {
      yield rows[0]!;
      throw mine;
    };
    await expect(step.score(broken())).rejects.toBe(mine);
    await expect(collect(step.stream(broken()))).rejects.toBe(mine);
  });

  it.each([
    ["undefined", undefined, /missing/],
    ["null", null, /null/],
    ["a promise", Promise.resolve(rows), /a Promise.*await/],
    ["a row", rows[0], /an object.*array/],
    ["a text", "rows", /a string/],
    ["a number", 5, /a number/],
    ["an iterator that is none", { [Symbol.iterator]: () => 5 }, /a number without a method next/],
    [
      "an iterator with other answers",
      { [Symbol.iterator]: () => ({ next: () => 5 }) },
      /answered with a number/,
    ],
  ])("says what is wrong when the rows are %s", async (_name, wrong, message) => {
    const calls = [
      step.score(wrong as never),
      collect(step.process(wrong as never)),
      collect(step.stream(wrong as never)),
    ];
    for (const result of await Promise.allSettled<unknown>(calls)) {
      expect(result).toMatchObject({ reason: { code: "ERR_INVALID_ROWS" } });
      expect((result as PromiseRejectedResult).reason).toHaveProperty(
        "message",
        expect.stringMatching(message),
      );
    }
  });

  it("gives any value in the place of a row an error of its own, and its neighbours their scores", async () => {
    const row = fc.oneof(
      anyValue,
      membersOf(["instruction", "response", "conversation"]),
      membersOf(["id"], { instruction: "2+2?", response: "4" }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 20 }), async (makes) => {
        const values = makes.map((make) => make());
        const scored = await collect(step.stream([rows[0]!, ...(values as object[]), rows[1]!]));
        expect(scored).toHaveLength(values.length + 2);
        expect([scored[0]!.score, scored.at(-1)!.score]).toEqual([near(scores[0]!), near(scores[1]!)]);
        for (const { score, error } of scored) {
          if (score === null) expect(error).toMatch(/^ERR_[A-Z_]+: /);
        }
        const error: unknown = await step.score(values as object[]).catch((reason: unknown) => reason);
        expect(Array.isArray(error) || RewardModelScoreError.is(error, "ERR_INVALID_ROWS")).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it("never throws anything but its own error, whatever rows and options are", async () => {
    const options = fc.oneof(anyValue, membersOf(["signal", "onProgress"]));
    await fc.assert(
      fc.asyncProperty(anyValue, options, async (makeRows, makeOptions) => {
        const none: object[] = [];
        const wrongRows = makeRows();
        const wrongOptions = makeOptions();
        const calls = [
          step.score(wrongRows as never),
          collect(step.stream(wrongRows as never)),
          step.score(none, wrongOptions as never),
          collect(step.process(none, wrongOptions as never)),
          new RewardModelScore({ model: "./no/such/model" }).load(wrongOptions as never),
        ];
        for (const result of await Promise.allSettled<unknown>(calls)) {
          const error: unknown = result.status === "rejected" ? result.reason : result.value;
          expect(Array.isArray(error) || RewardModelScoreError.is(error)).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("scores nothing without complaint", async () => {
    expect(await step.score([])).toEqual([]);
    expect(await collect(step.process([]))).toEqual([]);
    expect(await collect(step.stream([]))).toEqual([]);
  });
});

describe("an option of a wrong value", () => {
  it.each([
    [{}, "model", /Option model is missing\. It names a Hub repository/],
    [{ model, maxBatchTokens: 0.5 }, "maxBatchTokens", /expected integer but received 0\.5/],
    [
      { model, cudaDevices: [0, "1"] },
      "cudaDevices.1",
      /Option cudaDevices\.1: expected number but received "1"/,
    ],
    [{ model, replicas: ["cuda:0", null] }, "replicas.1", /Option replicas\.1: .* but received null/],
    [
      { model, deviceMap: { score: true } },
      "deviceMap.score",
      /Option deviceMap\.score: .* but received true/,
    ],
    [{ model, deviceMap: true }, "deviceMap", /Option deviceMap: .* but received true/],
  ])("is named with its place and value: %j", (options, option, message) => {
    expect(() => new RewardModelScore(options as never)).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(message) as unknown,
        details: { option },
      }) as Error,
    );
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

  it("loads anew while the model before is being unloaded", async () => {
    const step = new RewardModelScore({ model });
    await step.load();
    const expected = await step.score(rows);
    const unloading = step.unload();
    await expect(step.score(rows)).rejects.toEqual(code("ERR_NOT_LOADED"));
    await step.load();
    expect(await step.score(rows)).toEqual(expected);
    await unloading;
    await step.unload();
  });

  it("gives a load up that unload overtakes, and says so only to who waits", async () => {
    const step = new RewardModelScore({ model });
    void step.load();
    const loading = step.load();
    await step.unload();
    await expect(loading).rejects.toEqual(code("ERR_NOT_LOADED"));
    await expect(loading).rejects.toThrow(/unload\(\) was called/);
    await step.load();
    await step.unload();
  });

  it("shares one load: every caller is told, and leaves it alone", async () => {
    const step = new RewardModelScore({ model });
    const reason = new Error("no longer");
    const controller = new AbortController();
    const told: LoadProgress["phase"][] = [];
    const onProgress = ({ phase }: LoadProgress) => void told.push(phase);
    const leaving = step.load({ signal: controller.signal });
    const staying = step.load({ onProgress });
    const failing = step.load({ onProgress: () => Promise.reject(reason) });
    controller.abort(reason);
    await expect(leaving).rejects.toBe(reason);
    await expect(failing).rejects.toBe(reason);
    await staying;
    expect(told).toContain("weights");
    await expect(step.load({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(await step.score(rows)).toHaveLength(rows.length);
    await step.unload();
  });

  it("tells how many bytes of the weights are in place", async () => {
    await using step = new RewardModelScore({ model });
    const events: LoadProgress[] = [];
    await step.load({ onProgress: (event) => events.push(event) });
    const last = events.at(-1)!;
    if (last.phase !== "weights") throw new Error(`the last news were of ${last.phase}`);
    expect(last).toMatchObject({ fraction: 1, loaded: last.total });
    expect(last.total).toBeGreaterThan(1000);
  });

  it("computes float16 in float32 on a CPU, also where it is asked for", async () => {
    const scoreIn = async (torchDtype: "float16" | "float32") => {
      await using step = new RewardModelScore({ model, torchDtype });
      await step.load();
      return step.score(rows.slice(0, 3));
    };
    expect(await scoreIn("float16")).toEqual(await scoreIn("float32"));
  });

  it("says where it looked for a model that does not exist", async () => {
    const step = new RewardModelScore({ model: "./no/such/model" });
    await expect(step.load()).rejects.toEqual(code("ERR_NOT_FOUND"));
  });
});

describe("options", () => {
  it.each([20_000, 2 ** 31, 1e300])("bounds threads by the machine: %d are too many", (threads) => {
    const processors = Math.max(cpus().length, availableParallelism());
    expect(() => new RewardModelScore({ model, threads })).toThrow(
      expect.objectContaining({
        code: "ERR_INVALID_OPTION",
        message: expect.stringContaining(`use at most ${8 * processors}`) as string,
      }),
    );
    expect(() => new RewardModelScore({ model, threads: 8 * processors })).not.toThrow();
  });

  it.each([
    [{ model: "" }, "model"],
    [{ model, torchDtype: "int8" }, "torchDtype"],
    [{ model, maxLength: 0, truncation: true }, "maxLength"],
    [{ model, inputBatchSize: 1.5 }, "inputBatchSize"],
    [{ model, threads: 0 }, "threads"],
    [{ model, batchSize: 8 }, "batchSize"],
    [{ model, inputMappings: { prompt: "instruction" } }, "inputMappings"],
  ])("refuses %j and names the option", (options, option) => {
    const construct = () => new RewardModelScore(options as never);
    expect(construct).toThrow(expect.objectContaining({ code: "ERR_INVALID_OPTION", details: { option } }));
    expect(construct).toThrow(new RegExp(option));
  });

  it("are refused with an error of this package, whatever they are", () => {
    const names = [
      "model",
      "deviceMap",
      "maxMemory",
      "replicas",
      "cudaDevices",
      "inputMappings",
      "outputMappings",
    ];
    const options = fc.oneof(anyValue, membersOf(names), membersOf(names.slice(1), { model }));
    fc.assert(
      fc.property(options, (make) => {
        try {
          new RewardModelScore(make() as never);
        } catch (error) {
          expect(RewardModelScoreError.is(error)).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("warn of a maxLength without truncation, which has no effect", async () => {
    const step = new RewardModelScore({ model, maxLength: 3 });
    const events: LoadProgress[] = [];
    await step.load({ onProgress: (event) => events.push(event) });
    expect(events.flatMap((event) => (event.phase === "warning" ? event.message : []))).toEqual([
      expect.stringMatching(/^maxLength \(3\) has no effect without truncation/),
    ]);
    const [scoring] = await collect(step.stream([rows[0]!]));
    expect(scoring!.score).not.toBeNull();
    await step.unload();

    const warning = new Promise<Error>((resolve) => process.once("warning", resolve));
    await step.load();
    expect((await warning).message).toMatch(/^maxLength \(3\)/);
    await step.unload();
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
