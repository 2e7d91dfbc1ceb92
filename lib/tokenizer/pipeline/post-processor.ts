import * as v from "valibot";
import { build, options, type Builders } from "./component.js";
import { isTokenId, notAnId } from "./token-id.js";

/** One of the two sequences of a pair, or the id of a token that stands around them, and the type that its tokens get. */
export interface FramePart {
  part: number | "A" | "B";
  type: number;
}

/** A pair with what stands around it. */
export type Frame = FramePart[];

/** Of a pair to which nothing is added. */
export const BARE_PAIR: Frame = [
  { part: "A", type: 0 },
  { part: "B", type: 1 },
];

/** Made only where a pair is asked for; undefined for a processor that adds nothing. */
export type PostProcessor = { pairFrame: () => Frame } | undefined;

const BUILDERS: Builders<PostProcessor> = {
  BertProcessing: bert,
  // It only says which part of the text a token comes from.
  ByteLevel: () => undefined,
  RobertaProcessing: roberta,
  Sequence: sequence,
  TemplateProcessing: template,
};

/** null is no post-processor. */
export function buildPostProcessor(config: unknown, place = "post_processor"): PostProcessor {
  return config === null ? undefined : build(BUILDERS, config, place);
}

const Special = v.tuple([v.string(), v.unknown()]);

function bert(config: unknown, place: string): PostProcessor {
  const { cls, sep } = separators(config, place);
  return { pairFrame: () => [...ofType(0, [cls, "A", sep]), ...ofType(1, ["B", sep])] };
}

/** RoBERTa has one type for everything. */
function roberta(config: unknown, place: string): PostProcessor {
  const { cls, sep } = separators(config, place);
  return { pairFrame: () => ofType(0, [cls, "A", sep, sep, "B", sep]) };
}

function ofType(type: number, parts: FramePart["part"][]): Frame {
  return parts.map((part) => ({ part, type }));
}

function separators(config: unknown, place: string): { cls: number; sep: number } {
  const { cls, sep } = options(v.looseObject({ cls: Special, sep: Special }), config, place);
  const [first] = checked([cls[1]], cls[0], `${place}.cls`);
  const [separator] = checked([sep[1]], sep[0], `${place}.sep`);
  return { cls: first!, sep: separator! };
}

function checked(ids: unknown[], token: string, place: string): number[] {
  for (const id of ids) if (!isTokenId(id)) throw new Error(notAnId(id, token, place));
  return ids as number[];
}

function sequence(config: unknown, place: string): PostProcessor {
  const { processors } = options(v.looseObject({ processors: v.array(v.unknown()) }), config, place);
  const adding = processors
    .map((one, index) => build(BUILDERS, one, `${place}.processors.${index}`))
    .filter((processor) => processor !== undefined);
  if (adding.length < 2) return adding[0];
  return {
    pairFrame: () => {
      throw new Error(
        `${place} adds tokens ${adding.length} times, which is not supported; name another tokenizer with the option tokenizer`,
      );
    },
  };
}

const TypeId = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 31 - 1));
const Part = v.union([
  v.strictObject({ Sequence: v.looseObject({ id: v.picklist(["A", "B"]), type_id: TypeId }) }),
  v.strictObject({ SpecialToken: v.looseObject({ id: v.string(), type_id: TypeId }) }),
]);
const Template = v.looseObject({
  single: v.array(Part),
  pair: v.array(Part),
  special_tokens: v.record(v.string(), v.looseObject({ ids: v.array(v.unknown()) })),
});

function template(config: unknown, place: string): PostProcessor {
  const { pair, special_tokens } = options(Template, config, place);
  const specials = new Map(
    Object.entries(special_tokens).map(([token, { ids }]) => [
      token,
      checked(ids, token, `${place}.special_tokens`),
    ]),
  );
  return {
    pairFrame: () => {
      const frame = pair.flatMap((part): Frame => {
        if ("Sequence" in part) return [{ part: part.Sequence.id, type: part.Sequence.type_id }];
        const { id, type_id: type } = part.SpecialToken;
        const ids = specials.get(id);
        if (ids !== undefined) return ids.map((token) => ({ part: token, type }));
        throw new Error(
          `${place}.pair has the token ${JSON.stringify(id)}, which is not in its special_tokens`,
        );
      });
      for (const sequence of ["A", "B"] as const) {
        const count = frame.filter(({ part }) => part === sequence).length;
        if (count !== 1)
          throw new Error(`${place}.pair has the sequence ${sequence} ${count} times, not once`);
      }
      return frame;
    },
  };
}
