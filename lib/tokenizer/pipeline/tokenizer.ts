import { AddedVocabulary, type AddedToken } from "./added-vocabulary.js";
import { buildModel } from "./models/build-model.js";
import type { Model } from "./models/model.js";
import { buildNormalizer } from "./normalizers.js";
import { BARE_PAIR, buildPostProcessor, type Frame, type PostProcessor } from "./post-processor.js";
import { buildPreTokenizer, type PreTokenizer } from "./pre-tokenizers.js";

/** The parts of tokenizer.json that ids depend on. */
export interface Definition {
  model: object;
  normalizer: unknown;
  pre_tokenizer: unknown;
  post_processor: unknown;
}

/** Text → token ids by the rules of the Rust tokenizers: added tokens, normalizer, pre-tokenizer, model. */
export class Tokenizer {
  readonly #added: AddedVocabulary;
  readonly #preTokenize: PreTokenizer;
  readonly #model: Model;
  readonly #postProcessor: PostProcessor;

  /** Throws an Error that names the place and the option that cannot be read. */
  constructor(definition: Definition) {
    this.#model = buildModel(definition.model);
    this.#preTokenize = buildPreTokenizer(definition.pre_tokenizer);
    this.#postProcessor = buildPostProcessor(definition.post_processor);
    this.#added = new AddedVocabulary(this.#model, buildNormalizer(definition.normalizer));
  }

  /** Tokens that are to be found in a text as they are. */
  add(tokens: readonly AddedToken[]): void {
    this.#added.add(tokens);
  }

  idOf(token: string): number | undefined {
    return this.#added.idOf(token);
  }

  /** Ids of a text, without tokens added around it. Throws an Error where there is no token for a part of it. */
  encode(text: string): number[] {
    const ids: number[] = [];
    for (const part of this.#added.extract(text)) {
      if (typeof part === "number") ids.push(part);
      else for (const piece of this.#preTokenize(part)) this.#model.encode(piece.text, ids);
    }
    return ids;
  }

  /** What is added around the two texts of a pair, and the types of all. Throws an Error where that cannot be said. */
  pairFrame(): Frame {
    return this.#postProcessor?.pairFrame() ?? BARE_PAIR;
  }
}
