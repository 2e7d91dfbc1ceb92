import { ChatTemplate } from "../chat/chat-template.js";
import { findChatTemplate } from "./find-template.js";
import { RewardModelScoreError } from "../errors.js";
import type { InputFormat, Message, Pair, RowInput } from "../rows/types.js";
import { readTokenizerFiles } from "./files.js";
import { buildTokenizer } from "./load.js";
import type { Frame } from "./pipeline/post-processor.js";
import type { Tokenizer } from "./pipeline/tokenizer.js";
import { Step } from "./progress.js";
import { type Limits, readable, requireTokens } from "./row-length.js";
import type { TokenField, TokenFields } from "./token-fields.js";
import { longestFirst, type Side, truncate } from "./truncation.js";

/** Plain data: it travels to the worker threads. */
export interface EncoderOptions {
  /** Where tokenizer.json is, or a vocabulary in another form. */
  directory: string;
  inputFormat: InputFormat;
  /** A template, or the name of one of the model's. */
  chatTemplate?: string;
  /** Whether rows that are too long lose tokens, on the side that the tokenizer names. */
  truncation?: boolean;
  /** The longest row that truncation leaves; null is the tokenizer's model_max_length. */
  maxLength?: number | null;
  /** Put behind every row that does not end with it; it counts for maxLength. */
  appendTokenId?: number;
  /** What the model reads of a token beside its id; default nothing. */
  tokenFields?: readonly TokenField[];
  /** Positions that the model was made for, where that is known; else the tokenizer's model_max_length. */
  positions?: number;
  /** What `strftime_now` of a template says, in milliseconds since 1970, in the local time zone; default now. */
  now?: number;
}

export interface EncodedInput {
  fields: TokenFields;
  /** How many tokens truncation took. */
  truncated: number;
}

/** What a caller asks of the tokenizer beside ids of rows. */
export interface TokenizerInfo extends Limits {
  /** Ids of the special tokens by name: `pad_token`, `cls_token`, … */
  specialTokenIds: Record<string, number>;
  /** What is doubtful about its files. */
  warnings: string[];
}

/** Tokens of one type that stand one after the other. */
interface Piece {
  ids: readonly number[];
  type: number;
}

/** transformers writes "no limit" as a number that no sequence reaches. */
const NO_LIMIT = 1e20;

/** Turns what a row asks for into token ids, on the thread that calls it. */
export class RowEncoder {
  private constructor(
    private readonly tokenizer: Tokenizer,
    /** What stands around the texts of a pair, where rows are pairs. */
    private readonly pairFrame: Frame,
    private readonly template: ChatTemplate | undefined,
    private readonly side: Side,
    private readonly appendTokenId: number | undefined,
    private readonly tokenFields: readonly TokenField[],
    readonly info: TokenizerInfo,
  ) {}

  static async open(options: EncoderOptions): Promise<RowEncoder> {
    const files = await readTokenizerFiles(options.directory);
    const tokenizer = buildTokenizer(files);
    const { now } = options;
    const template =
      options.inputFormat === "chat"
        ? new ChatTemplate(
            await findChatTemplate(options.directory, files.config, options.chatTemplate),
            files.tokens.named,
            now === undefined ? undefined : () => new Date(now),
          )
        : undefined;
    const limit = options.maxLength ?? files.config.model_max_length ?? NO_LIMIT;
    const maxLength = options.truncation === true && limit < NO_LIMIT ? limit : null;
    const ids = Object.entries(files.tokens.named).flatMap(([name, token]) => {
      const id = tokenizer.idOf(token);
      return id === undefined ? [] : [[name, id] as const];
    });
    const encoder = new RowEncoder(
      tokenizer,
      template === undefined ? pairFrame(tokenizer, files.path) : [],
      template,
      files.config.truncation_side ?? (files.json.truncation?.direction === "Left" ? "left" : "right"),
      options.appendTokenId,
      options.tokenFields ?? [],
      {
        specialTokenIds: Object.fromEntries(ids),
        maxLength,
        positions: positionsOf(options, files.config.model_max_length),
        warnings: files.warnings,
      },
    );
    encoder.#checkRoom();
    return encoder;
  }

  /**
   * Throws ERR_CHAT_TEMPLATE or ERR_TOKENIZER when this row cannot be encoded.
   *
   * @param enter is told what begins, since either may never end
   */
  encode(input: RowInput, enter: (step: Step) => void = () => {}): EncodedInput {
    const encoded = Array.isArray(input)
      ? this.#encodeMessages(input, enter)
      : this.#encodePair(input, enter);
    const { length } = encoded.fields.ids;
    if (length === 0) {
      throw new RewardModelScoreError(
        "ERR_TOKENIZER",
        "the row has no tokens, so there is nothing to score",
        {},
      );
    }
    requireTokens(length, this.info);
    return encoded;
  }

  /** Ids of a text alone, without tokens added around it. */
  idsOf(text: string): number[] {
    try {
      return this.tokenizer.encode(text);
    } catch (cause) {
      const reason =
        cause instanceof RangeError ? "it is too long for one of its rules" : (cause as Error).message;
      const message = `the tokenizer cannot encode a text of ${text.length} characters: ${reason}`;
      throw new RewardModelScoreError("ERR_TOKENIZER", message, {}, { cause });
    }
  }

  #encodeMessages(messages: Message[], enter: (step: Step) => void): EncodedInput {
    if (this.template === undefined) throw new TypeError("inputFormat is pair, but the row has messages");
    // The template writes the special tokens, so none are added a second time.
    const final = this.#final;
    enter(Step.Template);
    const text = readable(this.template.render(messages), this.info, this.side);
    enter(Step.Tokenizer);
    const all = withoutEnd(this.idsOf(text), final);
    const kept = truncate(all, this.#limit - final.length, this.side);
    // Whatever the template put together is one sequence.
    return {
      fields: this.#fields([kept, final].map((ids) => ({ ids, type: 0 }))),
      truncated: all.length - kept.length,
    };
  }

  #encodePair({ question, answer }: Pair, enter: (step: Step) => void): EncodedInput {
    enter(Step.Tokenizer);
    const frame = this.pairFrame;
    // Where the frame does not end with the final token, the text may.
    const final = frame.at(-1)?.part === this.appendTokenId ? [] : this.#final;
    const whole = {
      A: this.idsOf(readable(question, this.info, this.side)),
      B: this.idsOf(readable(answer, this.info, this.side)),
    };
    const last = frame.findLast(({ part }) => typeof part === "number" || whole[part].length > 0);
    if (last?.part === "A" || last?.part === "B") whole[last.part] = withoutEnd(whole[last.part], final);
    const { A, B } = whole;
    const [keepA, keepB] = longestFirst(A.length, B.length, this.#limit - this.#addedByPair());
    const kept = { A: truncate(A, keepA, this.side), B: truncate(B, keepB, this.side) };
    const pieces = frame.map(({ part, type }): Piece => ({
      ids: typeof part === "number" ? [part] : kept[part],
      type,
    }));
    // A token that is appended gets the type of the token before it in the whole row; one that stands there has that too.
    pieces.push({ ids: final, type: last?.type ?? 0 });
    return { fields: this.#fields(pieces), truncated: A.length + B.length - keepA - keepB };
  }

  #fields(pieces: readonly Piece[]): TokenFields {
    const length = pieces.reduce((sum, { ids }) => sum + ids.length, 0);
    const fields: TokenFields = { ids: new Int32Array(length) };
    if (this.tokenFields.includes("token_types")) fields["token_types"] = new Int32Array(length);
    let at = 0;
    for (const { ids, type } of pieces) {
      fields.ids.set(ids, at);
      fields["token_types"]?.fill(type, at, at + ids.length);
      at += ids.length;
    }
    return fields;
  }

  /** What every row ends with. */
  get #final(): number[] {
    return this.appendTokenId === undefined ? [] : [this.appendTokenId];
  }

  get #limit(): number {
    return this.info.maxLength ?? Infinity;
  }

  #addedByPair(): number {
    const appended = this.pairFrame.at(-1)?.part === this.appendTokenId ? 0 : this.#final.length;
    return this.pairFrame.length - 2 + appended;
  }

  #checkRoom(): void {
    const added = this.template === undefined ? this.#addedByPair() : this.#final.length;
    if (this.#limit <= added) {
      throw new RewardModelScoreError(
        "ERR_INVALID_OPTION",
        `maxLength is ${this.#limit}, but ${added} tokens are added to every row; it must be greater`,
        { option: "maxLength" },
      );
    }
  }
}

/** What the config of the model or of its tokenizer says, whichever is more. */
function positionsOf(
  { positions = 0 }: EncoderOptions,
  modelMaxLength: number | null | undefined,
): number | null {
  const own = modelMaxLength ?? NO_LIMIT;
  const most = Math.max(positions, own < NO_LIMIT ? own : 0);
  return most > 0 ? most : null;
}

/** The ids before the final token: it is put behind what is left of a row, so it is neither cut nor there twice. */
function withoutEnd(ids: number[], final: number[]): number[] {
  return final.length > 0 && ids.at(-1) === final[0] ? ids.slice(0, -1) : ids;
}

function pairFrame(tokenizer: Tokenizer, path: string): Frame {
  try {
    return tokenizer.pairFrame();
  } catch (cause) {
    const message = `${path} has a post-processor that cannot be used for pairs: ${(cause as Error).message}`;
    throw new RewardModelScoreError("ERR_TOKENIZER", message, { path }, { cause });
  }
}
