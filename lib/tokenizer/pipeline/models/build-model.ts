import { build, type Builders } from "../component.js";
import { Bpe } from "./bpe.js";
import type { Model } from "./model.js";
import { Unigram } from "./unigram.js";
import { WordLevel } from "./word-level.js";
import { WordPiece } from "./word-piece.js";

const BUILDERS: Builders<Model> = {
  BPE: (config, place) => new Bpe(config, place),
  Unigram: (config, place) => new Unigram(config, place),
  WordLevel: (config, place) => new WordLevel(config, place),
  WordPiece: (config, place) => new WordPiece(config, place),
};

export function buildModel(config: object, place = "model"): Model {
  const type = "type" in config ? config.type : guess(config);
  return build(BUILDERS, { ...config, type }, place);
}

/** Old files do not say what their model is. */
function guess(config: object): string {
  if ("merges" in config) return "BPE";
  if ("vocab" in config && Array.isArray(config.vocab)) return "Unigram";
  return "continuing_subword_prefix" in config && "max_input_chars_per_word" in config
    ? "WordPiece"
    : "WordLevel";
}
