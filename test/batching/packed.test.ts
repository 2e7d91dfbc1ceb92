import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planPacks, type Pack } from "#lib/batching/packed.js";
import type { EncodedRow } from "#lib/batching/row.js";
import type { TokenFields } from "#lib/tokenizer/token-fields.js";

const noClasses = () => 0;

/** What is known of each token of a row, of which some have the same id and another type. */
function fieldsOf(text: readonly number[]): TokenFields {
  return {
    ids: Int32Array.from(text, (token) => token >> 1),
    token_types: Int32Array.from(text, (token) => token & 1),
  };
}

/** The tokens of a row as the engine sees them: its last segment's chain of ancestors, then itself. */
function chainOf(pack: Pack, token: number): number[] {
  const { ids, token_types } = pack.batch.fields;
  const tokens = Array.from(ids, (id, i) => 2 * id + token_types![i]!);
  const starts = [0];
  for (const length of pack.batch.lengths) starts.push(starts.at(-1)! + length);
  let segment = starts.findIndex((start, i) => token >= start && token < starts[i + 1]!);
  const chain = tokens.slice(starts[segment], token + 1);
  while ((segment = pack.batch.parents[segment]!) >= 0) {
    chain.unshift(...tokens.slice(starts[segment], starts[segment + 1]));
  }
  return chain;
}

function row(text: number[], pooled = [text.length - 1], gates: number[] = []): EncodedRow {
  return { fields: fieldsOf(text), pooled, gates };
}

/** Rows that grow out of each other, so that deep trees, equal rows and rows that are prefixes of others occur. */
const family = fc
  .array(
    fc.record({
      from: fc.nat(),
      keep: fc.double({ min: 0, max: 1, noNaN: true }),
      more: fc.array(fc.nat(3), { minLength: 1, maxLength: 120 }),
    }),
    { minLength: 1, maxLength: 24 },
  )
  .map((steps) => {
    const rows: number[][] = [];
    for (const { from, keep, more } of steps) {
      const base = rows.length > 0 ? rows[from % rows.length]! : [];
      rows.push([...base.slice(0, Math.floor(base.length * keep)), ...more]);
    }
    return rows;
  });

describe("planPacks", () => {
  it("keeps every pooled and gate token's context, whatever is shared", () => {
    fc.assert(
      fc.property(family, fc.integer({ min: 1, max: 600 }), fc.boolean(), (texts, budget, sharePrefixes) => {
        const rows = texts.map((ids) => row(ids, [0, ids.length - 1], [ids.length >> 1, 0]));
        const packs = planPacks(rows, { budget, sharePrefixes, causal: true, ropeClass: noClasses });
        const seen = packs.flatMap((pack) => pack.rows).toSorted((a, b) => a - b);
        expect(seen).toEqual(rows.map((_, i) => i));
        for (const pack of packs) {
          expect(pack.batch.lengths.every((length) => length > 0)).toBe(true);
          expect(pack.batch.parents.every((parent, i) => parent < i)).toBe(true);
          pack.rows.forEach((index, i) => {
            for (const list of ["pooled", "gates"] as const) {
              const tokens = pack.batch[list].subarray(pack.pooledOffsets[i], pack.pooledOffsets[i + 1]);
              [...tokens].forEach((token, k) => {
                expect(chainOf(pack, token)).toEqual(texts[index]!.slice(0, rows[index]![list][k]! + 1));
              });
            }
          });
        }
      }),
    );
  });

  it("stays inside the budget unless a single row is longer, and counts what it saved", () => {
    fc.assert(
      fc.property(family, fc.integer({ min: 1, max: 600 }), (texts, budget) => {
        const packs = planPacks(
          texts.map((ids) => row(ids)),
          { budget, sharePrefixes: true, causal: true, ropeClass: noClasses },
        );
        for (const pack of packs) {
          const total = pack.rows.reduce((sum, index) => sum + texts[index]!.length, 0);
          expect(pack.batch.fields.ids.length + pack.savedTokens).toBe(total);
          const longest = Math.max(...pack.rows.map((index) => texts[index]!.length));
          expect(pack.batch.fields.ids.length <= budget || pack.batch.fields.ids.length === longest).toBe(
            true,
          );
        }
      }),
    );
  });

  it("computes a long common beginning once", () => {
    const prompt = Array.from({ length: 100 }, (_, i) => i);
    const packs = planPacks([row([...prompt, 1, 2]), row([...prompt, 3]), row([...prompt, 1, 2])], {
      budget: 1000,
      sharePrefixes: true,
      causal: true,
      ropeClass: noClasses,
    });
    expect(packs).toHaveLength(1);
    expect(packs[0]!.batch.fields.ids.length).toBe(103);
    expect(packs[0]!.savedTokens).toBe(202);
  });

  it("shares no further than all that is known of the tokens agrees", () => {
    const texts = [0, 70, 0, 100].map((typed, i) => ({
      ids: Int32Array.from([...new Array<number>(100).fill(5), i]),
      token_types: new Int32Array(101).fill(1, typed),
    }));
    const [pack] = planPacks(
      texts.map((fields) => ({ fields, pooled: [100], gates: [] })),
      { budget: 999, sharePrefixes: true, causal: true, ropeClass: noClasses },
    );
    // The first and the third share 100 tokens, the others' 70 of type 0.
    expect(pack!.savedTokens).toBe(170);
    const chains = pack!.rows.map((_, i) => chainOf(pack!, pack!.batch.pooled[i]!));
    const expected = pack!.rows.map((index) => {
      const { ids, token_types } = texts[index]!;
      return Array.from(ids, (id, i) => 2 * id + token_types[i]!);
    });
    expect(chains).toEqual(expected);
  });

  it("leaves a short common beginning alone, and any beginning when sharing is off", () => {
    const short = planPacks([row([7, 7, 1]), row([7, 7, 2])], {
      budget: 99,
      sharePrefixes: true,
      causal: true,
      ropeClass: noClasses,
    });
    expect(short[0]!.batch.fields.ids.length).toBe(6);
    const prompt = Array.from({ length: 100 }, () => 5);
    const off = planPacks([row([...prompt, 1]), row([...prompt, 2])], {
      budget: 999,
      sharePrefixes: false,
      causal: true,
      ropeClass: noClasses,
    });
    expect([...off[0]!.batch.parents]).toEqual([-1, -1]);
  });

  it("shares nothing where a token's state depends on what stands behind it", () => {
    const prompt = Array.from({ length: 100 }, () => 5);
    const rows = [row([...prompt, 2]), row([...prompt, 1]), row([...prompt, 2])];
    const [pack] = planPacks(rows, { budget: 999, sharePrefixes: true, causal: false, ropeClass: noClasses });
    expect([...pack!.batch.parents]).toEqual([-1, -1, -1]);
    expect([...pack!.batch.lengths]).toEqual([101, 101, 101]);
    expect(pack!.savedTokens).toBe(0);
  });

  it("never shares between rows of different rope classes", () => {
    const prompt = Array.from({ length: 100 }, () => 5);
    const packs = planPacks([row([...prompt, 1]), row([...prompt, 2, 3])], {
      budget: 999,
      sharePrefixes: true,
      causal: true,
      ropeClass: (length) => (length > 101 ? 1 : 0),
    });
    expect(packs.map((pack) => pack.savedTokens)).toEqual([0, 0]);
    expect(packs.map((pack) => pack.rows)).toEqual([[0], [1]]);
  });
});
