import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ArchitectureFixture } from "../parity/fixtures.js";
import { writeCheckpoint } from "../parity/tiny-checkpoint.js";

/**
 * A fixture's checkpoint with a tokenizer whose words are its ids ("w0", "w1", …), and the fixture's rows as rows of
 * text, so that the whole way from text to score can be compared with the fixture's scores.
 *
 * @param words what stands for an id instead: texts that the model's rules name
 */
export function writeModelWithWords(
  fixture: ArchitectureFixture,
  words: Record<number, string> = {},
): { directory: string; rows: { conversation: { role: string; content: string }[] }[] } {
  const { directory } = writeCheckpoint(fixture);
  const word = (id: number) => words[id] ?? `w${id}`;
  const special = Object.entries(words).filter(([, content]) => content.startsWith("<"));
  const tokenizer = {
    version: "1.0",
    added_tokens: special.map(([id, content]) => ({
      id: Number(id),
      content,
      special: true,
      normalized: false,
      single_word: false,
      lstrip: false,
      rstrip: false,
    })),
    normalizer: null,
    pre_tokenizer: { type: "WhitespaceSplit" },
    post_processor: null,
    decoder: null,
    model: {
      type: "WordPiece",
      unk_token: "w0",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(
        Array.from({ length: Number(fixture.config["vocab_size"]) }, (_, id) => [word(id), id]),
      ),
    },
  };
  writeFileSync(join(directory, "tokenizer.json"), JSON.stringify(tokenizer));
  const chatTemplate = "{% for message in messages %}{{ message.content }}{% endfor %}";
  writeFileSync(join(directory, "tokenizer_config.json"), JSON.stringify({ chat_template: chatTemplate }));
  const rows = fixture.rows.map((ids) => ({
    conversation: [{ role: "user", content: ids.map(word).join(" ") }],
  }));
  return { directory, rows };
}
