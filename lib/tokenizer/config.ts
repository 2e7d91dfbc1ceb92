import * as v from "valibot";
import { RewardModelScoreError } from "../errors.js";
import { innermostIssue } from "../innermost-issue.js";
import { readText } from "../io/regular-file.js";

/** A special token is written as its text, or as an AddedToken with that text in `content`. */
const AddedToken = v.object({
  __type: v.optional(v.string()),
  content: v.string(),
  single_word: v.optional(v.boolean(), false),
  lstrip: v.optional(v.boolean(), false),
  rstrip: v.optional(v.boolean(), false),
  normalized: v.optional(v.boolean()),
  special: v.optional(v.boolean(), false),
});
const Token = v.union([v.string(), AddedToken]);

const NamedTokens = {
  bos_token: v.nullish(Token),
  eos_token: v.nullish(Token),
  unk_token: v.nullish(Token),
  sep_token: v.nullish(Token),
  pad_token: v.nullish(Token),
  cls_token: v.nullish(Token),
  mask_token: v.nullish(Token),
};

const ExtraTokens = v.nullish(v.union([v.array(Token), v.record(v.string(), Token)]));

const SpecialTokensMap = v.looseObject({
  ...NamedTokens,
  additional_special_tokens: ExtraTokens,
  extra_special_tokens: ExtraTokens,
});

const TokenizerConfig = v.looseObject({
  ...SpecialTokensMap.entries,
  chat_template: v.nullish(
    v.union([v.string(), v.array(v.looseObject({ name: v.string(), template: v.string() }))]),
  ),
  added_tokens_decoder: v.nullish(v.record(v.string(), AddedToken)),
  model_max_length: v.nullish(v.number()),
  truncation_side: v.nullish(v.picklist(["left", "right"])),
  split_special_tokens: v.nullish(v.boolean()),
  fix_mistral_regex: v.nullish(v.boolean()),
  tokenizer_class: v.nullish(v.string()),
  do_lower_case: v.nullish(v.boolean()),
  strip_accents: v.nullish(v.boolean()),
  tokenize_chinese_chars: v.nullish(v.boolean()),
});

/** Its components are read where they are made, by `pipeline/`. */
const TokenizerJson = v.looseObject({
  model: v.custom<object>(isRecord, "expected an object"),
  added_tokens: v.optional(
    v.array(
      v.looseObject({
        id: v.unknown(),
        content: v.string(),
        single_word: v.boolean(),
        lstrip: v.boolean(),
        rstrip: v.boolean(),
        normalized: v.boolean(),
        special: v.boolean(),
      }),
    ),
    [],
  ),
  normalizer: v.optional(v.unknown(), null),
  pre_tokenizer: v.optional(v.unknown(), null),
  post_processor: v.optional(v.unknown(), null),
  truncation: v.nullish(v.looseObject({ direction: v.optional(v.picklist(["Left", "Right"]), "Right") })),
  padding: v.nullish(v.looseObject({ pad_token: v.optional(v.string()) })),
});

const AddedTokensJson = v.custom<Record<string, unknown>>(isRecord, "expected an object of tokens and ids");

const ChatTemplateJson = v.looseObject({ chat_template: v.optional(v.string()) });

export type TokenizerConfig = v.InferOutput<typeof TokenizerConfig>;
export type TokenizerJson = v.InferOutput<typeof TokenizerJson>;
export type SpecialTokensMap = v.InferOutput<typeof SpecialTokensMap>;
export type Token = v.InferOutput<typeof Token>;
export type AddedTokenConfig = v.InferOutput<typeof AddedToken>;

export const NAMED_TOKENS = Object.keys(NamedTokens) as (keyof typeof NamedTokens)[];

export function tokenText(token: Token): string {
  return typeof token === "string" ? token : token.content;
}

export async function readTokenizerConfig(path: string): Promise<TokenizerConfig | undefined> {
  return read(path, TokenizerConfig, "ERR_TOKENIZER");
}

export async function readSpecialTokensMap(path: string): Promise<SpecialTokensMap | undefined> {
  return read(path, SpecialTokensMap, "ERR_TOKENIZER");
}

export async function readTokenizerJson(path: string): Promise<TokenizerJson | undefined> {
  return read(path, TokenizerJson, "ERR_TOKENIZER");
}

/** Tokens and ids, of which slow tokenizers keep a file of their own. */
export async function readAddedTokensJson(path: string): Promise<Record<string, unknown> | undefined> {
  return read(path, AddedTokensJson, "ERR_TOKENIZER");
}

export async function readChatTemplateJson(
  path: string,
): Promise<{ chat_template?: string | undefined } | undefined> {
  return read(path, ChatTemplateJson, "ERR_CHAT_TEMPLATE");
}

async function read<Schema extends v.GenericSchema>(
  path: string,
  schema: Schema,
  code: "ERR_TOKENIZER" | "ERR_CHAT_TEMPLATE",
): Promise<v.InferOutput<Schema> | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    const lfs = text.startsWith("version https://git-lfs");
    const problem = lfs
      ? "is a Git LFS pointer, not the file itself; fetch it with git lfs pull"
      : `is not valid JSON (${(cause as Error).message}); it may be incomplete, so fetch it again`;
    throw new RewardModelScoreError(code, `${path} ${problem}`, { path }, { cause });
  }
  const result = v.safeParse(schema, json);
  if (result.success) return result.output;
  const { place = "the file", issue } = innermostIssue(result.issues[0]);
  throw new RewardModelScoreError(
    code,
    `${path} is not as expected: ${place}: ${issue.message}`,
    { path },
    { cause: new v.ValiError(result.issues) },
  );
}

function isRecord(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
