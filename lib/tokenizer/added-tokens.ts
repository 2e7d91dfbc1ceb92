import { NAMED_TOKENS, type AddedTokenConfig, type Token } from "./config.js";
import type { AddedToken } from "./pipeline/added-vocabulary.js";

/** What tokenizer_config.json says, or special_tokens_map.json in its place. */
type Values = Record<string, unknown>;

export interface Sources {
  config: Values;
  /** special_tokens_map.json and added_tokens.json, which count where the config has no `added_tokens_decoder`. */
  specialTokensMap: Values | undefined;
  addedTokens: Record<string, number> | undefined;
  /** Those of tokenizer.json, which has them already. */
  own: readonly (AddedToken & { id: number })[];
  /** The token that tokenizer.json pads with. */
  padToken: string | undefined;
  /** The tokens that the tokenizer's class has by name where no file says of one, not even that there is none. */
  ofClass: Values;
}

export interface StatedTokens {
  /** `bos_token`, `eos_token`, … and names of the model's own, as the chat template sees them. */
  named: Record<string, string>;
  /** What is added to the tokens of tokenizer.json, in this order; what is said of a token last counts. */
  added: AddedToken[];
}

/**
 * Everything that is said of tokens, put together as transformers puts it together. Where they get ids, they get them
 * in the order of the result: the ids that the files give them only put them in that order.
 */
export function stateTokens(sources: Sources): StatedTokens {
  const values = { ...sources.config };
  renameExtras(values);
  delete values["additional_special_tokens"];
  const ofModel: Record<string, Token> = {};
  for (const [name, value] of Object.entries(values)) {
    if (isOfModel(name) && typeof value === "string") ofModel[name] = value;
  }
  moveNamed(values, ofModel);
  const decoder = isDefined(values["added_tokens_decoder"])
    ? Object.entries(values["added_tokens_decoder"] as Record<string, AddedTokenConfig>).map(
        ([id, token]): [number, AddedToken] => [Number(id), complete(token)],
      )
    : oldDecoder(values, sources, ofModel);
  renameExtras(values);
  moveNamed(values, ofModel);
  for (const [name, token] of Object.entries(sources.ofClass)) if (!(name in values)) values[name] = token;
  if (!("pad_token" in values) && sources.padToken !== undefined) values["pad_token"] = sources.padToken;

  const named = namedTokens(values, ofModel, new Map(decoder.map(([, token]) => [token.content, token])));
  const ordered = decoder.sort(([a], [b]) => a - b).map(([, token]) => token);
  const known = new Set([...sources.own, ...ordered].map(({ content }) => content));
  const others: Token[] = [];
  for (const token of [...named.values(), ...listOf(values)]) {
    if (!known.has(textOf(token)!) && !others.some((one) => sameToken(one, token))) others.push(token);
  }
  const names = new Set([...named.values()].map(textOf));
  const asAdded = (token: Token): AddedToken =>
    typeof token === "string"
      ? complete({ content: token, special: true })
      : complete({ ...token, special: token.special || names.has(token.content) });
  return {
    named: Object.fromEntries([...named].map(([name, token]) => [name, textOf(token)!])),
    added: [...ordered, ...others].map(asAdded),
  };
}

/** Tokens by id where the config does not list them, of the files that did before; tokenizer.json has the last word. */
function oldDecoder(
  values: Values,
  sources: Sources,
  ofModel: Record<string, Token>,
): [number, AddedToken][] {
  if (sources.specialTokensMap !== undefined) takeOver(values, sources.specialTokensMap);
  moveNamed(values, ofModel);
  // Tokens that the config writes with their flags are not recognized as special here.
  const special = new Set(
    [...NAMED_TOKENS.map((name) => values[name]), ...listOf(values)]
      .filter((token) => !isObject(token) || token["__type"] === undefined)
      .map(textOf),
  );
  const decoder = new Map<number, AddedToken>();
  for (const [content, id] of Object.entries(sources.addedTokens ?? {})) {
    decoder.set(id, complete({ content, special: special.has(content) }));
  }
  for (const { id, ...token } of sources.own) decoder.set(id, token);
  return [...decoder];
}

/** The tokens with names, those that every tokenizer may have first, with the flags that their texts have elsewhere. */
function namedTokens(
  values: Values,
  ofModel: Record<string, Token>,
  byText: ReadonlyMap<string, AddedToken>,
): Map<string, Token> {
  const named = new Map<string, Token>();
  for (const name of NAMED_TOKENS) {
    const token = values[name];
    if (isToken(token)) named.set(name, byText.get(textOf(token)!) ?? token);
  }
  for (const [name, token] of Object.entries(values)) {
    if (isOfModel(name) && isToken(token)) named.set(name, token);
  }
  for (const [name, token] of Object.entries(ofModel)) named.set(name, token);
  return named;
}

/** `additional_special_tokens` is the old name of `extra_special_tokens`. */
function renameExtras(values: Values): void {
  if ("additional_special_tokens" in values && !("extra_special_tokens" in values)) {
    values["extra_special_tokens"] = values["additional_special_tokens"];
  }
}

/** What special_tokens_map.json says replaces what the config says, except that lists of extra tokens are joined. */
function takeOver(values: Values, map: Values): void {
  for (const [name, value] of Object.entries(map)) {
    if (!Array.isArray(value)) {
      values[name] = isToken(value) ? asSpecial(value) : value;
      continue;
    }
    const joined = name === "extra_special_tokens" ? [...listOf(values)] : [];
    for (const token of value.filter(isToken).map(asSpecial)) {
      if (!joined.some((one) => sameToken(one, token))) joined.push(token);
    }
    values[name] = joined;
  }
}

/** Extra tokens that have names are tokens by these names. */
function moveNamed(values: Values, ofModel: Record<string, Token>): void {
  if (!isObject(values["extra_special_tokens"])) return;
  Object.assign(ofModel, values["extra_special_tokens"]);
  delete values["extra_special_tokens"];
}

function isOfModel(name: string): boolean {
  return name.endsWith("_token") && !(NAMED_TOKENS as string[]).includes(name);
}

/** The extra tokens that have no names. */
function listOf(values: Values): Token[] {
  const extra = values["extra_special_tokens"];
  return Array.isArray(extra) ? (extra as Token[]) : [];
}

/** An AddedToken whose flags are not all said: it is normalized unless it is special. */
function complete(token: Partial<AddedTokenConfig> & { content: string }): AddedToken {
  const { content, single_word = false, lstrip = false, rstrip = false, special = false } = token;
  return { content, single_word, lstrip, rstrip, special, normalized: token.normalized ?? !special };
}

function asSpecial(token: Token): Token {
  return typeof token === "string" ? token : complete({ ...token, special: true });
}

function sameToken(a: Token, b: Token): boolean {
  if (typeof a === "string" || typeof b === "string") return a === b;
  return JSON.stringify(complete(a)) === JSON.stringify(complete(b));
}

function textOf(token: unknown): string | undefined {
  return isToken(token) ? (typeof token === "string" ? token : token.content) : undefined;
}

function isToken(value: unknown): value is Token {
  return typeof value === "string" || (isObject(value) && typeof value["content"] === "string");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isDefined(value: unknown): boolean {
  return value !== undefined && value !== null;
}
