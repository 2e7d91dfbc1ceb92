import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readTokenizerFiles } from "#lib/tokenizer/files.js";
import { buildTokenizer } from "#lib/tokenizer/load.js";
import type { AddedToken } from "#lib/tokenizer/pipeline/added-vocabulary.js";
import { type Definition, Tokenizer } from "#lib/tokenizer/pipeline/tokenizer.js";
import { sharedFolder } from "../temporary-folder.js";

const fixtures = new URL("../fixtures/tokenizer/", import.meta.url);
const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, fixtures), "utf8"));

/** As the scripts that wrote the fixtures make it of the ids of all texts; -1 is a text that is an error. */
function digest(rows: number[][]): string {
  const ids = Int32Array.from(rows.flatMap((row) => (row[0] === -1 ? row : [...row, -2])));
  return createHash("sha256").update(new Uint8Array(ids.buffer)).digest("hex").slice(0, 12);
}

function encode(tokenizer: Tokenizer, text: string): number[] {
  try {
    return tokenizer.encode(text);
  } catch (error) {
    expect((error as Error).message).toMatch(/^the text has/);
    return [-1];
  }
}

describe("ids are those of the Rust tokenizers", () => {
  type Case = [definition: Partial<Definition> & { added_tokens?: AddedToken[] }, digest: string | null];
  const { texts, alphabet, cases } = read("components.json") as {
    texts: string[];
    alphabet: string;
    cases: Case[];
  };
  const UNKNOWN = "\ue000";
  /** Ids show the characters and where pieces begin. */
  const revealing = {
    type: "WordPiece",
    unk_token: UNKNOWN,
    continuing_subword_prefix: UNKNOWN,
    max_input_chars_per_word: 1e6,
    vocab: Object.fromEntries<number>([
      [UNKNOWN, 0],
      ...[...alphabet].flatMap((character, index): [string, number][] => [
        [character, 2 * index + 1],
        [UNKNOWN + character, 2 * index + 2],
      ]),
    ]),
  };

  function make([definition]: Case): Tokenizer {
    const model = (definition.model ?? revealing) as { type?: string; vocab: unknown };
    const listed = Array.isArray(model.vocab) && (model.type !== "Unigram" || !Array.isArray(model.vocab[0]));
    const asObject = () => Object.fromEntries((model.vocab as string[]).map((token, id) => [token, id]));
    const isList = listed && (model.vocab as unknown[]).every((entry) => typeof entry === "string");
    const tokenizer = new Tokenizer({
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      ...definition,
      model: isList ? { ...model, vocab: asObject() } : model,
    });
    tokenizer.add(definition.added_tokens ?? []);
    return tokenizer;
  }

  /** What Rust reads and is refused here, by name. */
  const UNSUPPORTED = [
    /"UnicodeScripts", which is not supported/,
    /regular expression .*, which is not supported: (?:\\[GXk] is not known|it ignores the case of ss)/,
    /\.prepend: Invalid length/,
  ];
  const kinds: [string, (definition: Case[0]) => boolean][] = [
    ["added tokens", ({ added_tokens }) => added_tokens !== undefined],
    ["normalizers", ({ normalizer }) => normalizer != null],
    ["models", ({ model }) => model !== undefined],
    ["pre-tokenizers", () => true],
  ];
  const kindOf = ([definition]: Case) => kinds.find(([, is]) => is(definition))![0];

  it.each(kinds)("%s", (kind) => {
    const some = cases.filter((one) => kindOf(one) === kind);
    expect(some.length).toBeGreaterThan(40);
    let refused = 0;
    for (const one of some) {
      const [definition, expected] = one;
      let tokenizer: Tokenizer | undefined;
      try {
        tokenizer = make(one);
      } catch (error) {
        if (expected === null) continue;
        refused++;
        const { message } = error as Error;
        if (!UNSUPPORTED.some((known) => known.test(message))) throw error;
        continue;
      }
      const actual = digest(texts.map((text) => encode(tokenizer, text)));
      expect({ definition, ids: actual }).toEqual({ definition, ids: expected });
    }
    expect(refused).toBeLessThan(some.length / 10);
  });
});

describe("what several files say of a token", () => {
  interface Case {
    files: Record<string, object> & { "tokenizer.json": { in_vocab: string[] } };
    named: Record<string, string>;
    ids: string;
  }
  const { letters, texts, cases } = read("token-files.json") as {
    letters: string[];
    texts: string[];
    cases: Case[];
  };
  const folder = sharedFolder("token-files");

  it("is put together as transformers puts it together", async () => {
    for (const [index, { files, named, ids }] of cases.entries()) {
      const directory = mkdtempSync(join(folder, `${index}-`));
      const { in_vocab, ...rest } = files["tokenizer.json"];
      const vocab = Object.fromEntries([...letters, ...in_vocab].map((token, id) => [token, id]));
      const model = { type: "BPE", unk_token: "<unk>", vocab, merges: [] };
      for (const [name, content] of Object.entries({ ...files, "tokenizer.json": { ...rest, model } })) {
        writeFileSync(join(directory, name), JSON.stringify(content));
      }
      const read = await readTokenizerFiles(directory);
      const tokenizer = buildTokenizer(read);
      const actual = { named: read.tokens.named, ids: digest(texts.map((text) => tokenizer.encode(text))) };
      expect({ files, ...actual }).toEqual({ files, named, ids });
    }
  });
});
