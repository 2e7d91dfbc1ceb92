import { RewardModelScoreError } from "../errors.js";

/** Which tokens of a row the head reads. */
export interface PoolingRule {
  rule:
    | "hf" // the rightmost id that is not `padTokenId`
    | "last" // the last token
    | "first" // the first token
    | "first-pad-minus-one" // the token before the first `padTokenId`, else the last one
    | "last-token" // the last occurrence of `token`
    | "every-token"; // every occurrence of `token`: one score per step
  padTokenId?: number | null;
  /** An id, or a text of which the tokenizer's last id counts. */
  token?: number | string;
  /** Text whose ids mark, at their last occurrence, where the gating network reads. */
  gate?: string;
}

/** Positions within a row that the head reads. */
export interface PooledPositions {
  pooled: number[];
  gates: number[];
}

/** The model's tokenizer without special tokens. */
export type Encode = (text: string) => ArrayLike<number>;

export type Pooling = (ids: Int32Array) => PooledPositions;

/**
 * Makes a rule ready to run. `encode` is asked only for texts that the rule names.
 *
 * @returns a function that throws ERR_INVALID_ROWS for a row without the token that the head reads
 */
export function createPooling(rule: PoolingRule, encode: Encode): Pooling {
  const pool = poolBy(rule, encode);
  const pattern = gateIds(rule, encode);
  if (pattern.length === 0) return (ids) => ({ pooled: pool(ids), gates: [] });
  return (ids) => {
    const pooled = pool(ids);
    const at = lastIndexOfPattern(ids, pattern);
    if (at < 0)
      throw missingToken(`the tokens of ${JSON.stringify(rule.gate)}, where the gating network reads`);
    return { pooled, gates: pooled.map(() => at) };
  };
}

function poolBy(
  rule: PoolingRule,
  encode: (text: string) => ArrayLike<number>,
): (ids: Int32Array) => number[] {
  const pad = rule.padTokenId;
  switch (rule.rule) {
    case "last":
      return (ids) => [ids.length - 1];
    case "first":
      return () => [0];
    case "hf":
      return (ids) => [pad == null ? ids.length - 1 : lastOther(ids, pad)];
    case "first-pad-minus-one":
      return (ids) => {
        const at = pad == null ? -1 : ids.indexOf(pad);
        return [at > 0 ? at - 1 : ids.length - 1];
      };
    case "last-token":
    case "every-token": {
      const every = rule.rule === "every-token";
      const token = tokenId(rule.token, encode);
      return (ids) => {
        const found = Array.from(ids.keys()).filter((i) => ids[i] === token);
        if (found.length === 0) throw missingToken(`token ${token} (${JSON.stringify(rule.token)})`);
        return every ? found : found.slice(-1);
      };
    }
  }
}

/** 0 for a row of nothing but `pad`, as transformers has it. */
function lastOther(ids: Int32Array, pad: number): number {
  return Math.max(
    0,
    ids.findLastIndex((id) => id !== pad),
  );
}

function lastIndexOfPattern(ids: Int32Array, pattern: readonly number[]): number {
  for (let at = ids.length - pattern.length; at >= 0; at--) {
    if (pattern.every((id, i) => ids[at + i] === id)) return at;
  }
  return -1;
}

/** The ids of the gate's text; none for a head without a gate. */
export function gateIds(rule: PoolingRule, encode: Encode): number[] {
  return rule.gate === undefined ? [] : Array.from(encode(rule.gate));
}

export function tokenId(token: number | string | undefined, encode: Encode): number {
  if (typeof token === "number") return token;
  const id = token === undefined ? undefined : Array.from(encode(token)).at(-1);
  if (id !== undefined) return id;
  throw new RewardModelScoreError(
    "ERR_TOKENIZER",
    `The model reads its score at the token ${JSON.stringify(token)}, which its tokenizer does not know.`,
    {},
  );
}

function missingToken(what: string): RewardModelScoreError<"ERR_INVALID_ROWS"> {
  const message = `The row does not contain ${what}; check the chat template and the truncation.`;
  return new RewardModelScoreError("ERR_INVALID_ROWS", message, {
    problems: [{ index: 0, path: "", message }],
  });
}
