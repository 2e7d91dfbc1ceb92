import { beforeAll, describe, expect, it } from "vitest";
import { describeArchitecture } from "#lib/architectures/describe.js";
import type { Dtype, NativeBinding, PackedBatch } from "#lib/native/binding.js";
import { openBinding } from "../native/archives.js";
import { fixtureNames, readFixture, tensorInfos, type ArchitectureFixture } from "./fixtures.js";
import { packRows, scoresByRow, withProgram, type LoadedFixture } from "./program.js";

/** Of the largest score of a fixture; the reference is transformers in float32 with eager attention. */
const TOLERANCE = 1e-5;

let binding: NativeBinding;
beforeAll(async () => {
  binding = await openBinding();
});

/** Scores of every row, each computed alone. */
async function scoreAlone(fixture: ArchitectureFixture, { model, positions }: LoadedFixture) {
  const scores: number[][] = [];
  for (const row of fixture.rows.keys()) {
    const result = await model.forward(packRows(fixture, positions, [row]));
    scores.push(Array.from(result.scores));
  }
  return scores;
}

function expectClose(actual: number[], expected: number[]) {
  const scale = Math.max(...expected.map(Math.abs));
  const errors = expected.map((value, i) => Math.abs(value - actual[i]!) / scale);
  expect(actual).toHaveLength(expected.length);
  expect(Math.max(...errors)).toBeLessThanOrEqual(TOLERANCE);
}

/** Orders that mix lengths: forwards, backwards, and from the middle outwards. */
function orders(count: number): number[][] {
  const forwards = Array.from({ length: count }, (_, i) => i);
  const outwards = forwards.toSorted((a, b) => Math.abs(a - count / 2) - Math.abs(b - count / 2));
  return [forwards, forwards.toReversed(), outwards, outwards.slice(1, 4)];
}

describe.each(fixtureNames)("%s", (name) => {
  const fixture = readFixture(name);

  it("float32 gives the reference's scores", async () => {
    await withProgram(binding, fixture, { dtype: "float32" }, async (loaded) => {
      const scores = await scoreAlone(fixture, loaded);
      expect(scores.map((row) => row.length)).toEqual(fixture.float32.scores.map((row) => row.length));
      expectClose(scores.flat(), fixture.float32.scores.flat());
    });
  });

  it.each<Dtype>(["float32", "bfloat16"])(
    "%s: a row has the same bits alone and in any pack",
    async (dtype) => {
      await withProgram(binding, fixture, { dtype }, async (loaded) => {
        const alone = await scoreAlone(fixture, loaded);
        for (const members of orders(fixture.rows.length)) {
          const result = await loaded.model.forward(packRows(fixture, loaded.positions, members));
          for (const [row, scores] of scoresByRow(result, loaded.positions, members)) {
            expect(scores, `row ${row} among ${members.join(", ")}`).toEqual(alone[row]);
          }
        }
      });
    },
  );
});

/**
 * Two rows of one length with the same tokens before `common`: near the end of the second, where no window has left them
 * behind, and before the tokens that a gating network looks for, two tokens change places.
 */
function twins({ rows, config }: ArchitectureFixture): { rows: [number[], number[]]; common: number } {
  const row = rows.reduce((a, b) => (b.length > a.length ? b : a));
  const end = row.length - 3 - (config.gate_pattern?.length ?? 0);
  const common = row.findLastIndex((id, i) => i < end && id !== row[i + 1]);
  const other = row.with(common, row[common + 1]!).with(common + 1, row[common]!);
  return { rows: [[...row], other], common };
}

/** Rows of a model that reads their first token share nothing of what it reads. */
const sharing = fixtureNames.filter((name) => {
  const fixture = readFixture(name);
  const tensors = tensorInfos(fixture);
  const { causal, pooling } = describeArchitecture({ config: fixture.config, tensors });
  return causal && pooling.rule !== "first";
});

describe.each(sharing)("%s: shared prefixes", (name) => {
  const fixture = readFixture(name);
  const { rows, common } = twins(fixture);

  it.each<Dtype>(["float32", "bfloat16"])("%s: the same bits with and without", async (dtype) => {
    await withProgram(binding, { ...fixture, rows }, { dtype }, async ({ model, positions }) => {
      const tails = rows.map((row) => row.slice(common));
      const shift = [0, tails[0]!.length];
      const place = (kind: "pooled" | "gates") =>
        Int32Array.from(
          positions.flatMap((row, i) => row[kind].map((at) => (at < common ? at : at + shift[i]!))),
        );
      const shared: PackedBatch = {
        fields: { ids: Int32Array.from([...rows[0].slice(0, common), ...tails.flat()]) },
        lengths: Int32Array.from([common, ...tails.map((tail) => tail.length)]),
        parents: Int32Array.of(-1, 0, 0),
        rowLengths: new Int32Array(3).fill(rows[0].length),
        pooled: place("pooled"),
        gates: place("gates"),
      };
      const apart = packRows({ ...fixture, rows }, positions, [0, 1]);
      const { scores } = await model.forward(apart);
      expect((await model.forward(shared)).scores).toEqual(scores);
      expect(scores.subarray(0, scores.length >> 1)).not.toEqual(scores.subarray(scores.length >> 1));
    });
  });
});

describe("gating heads", () => {
  it.each(["armorm", "qrm", "urm", "urm-fixed-weights"])("%s returns rewards and gating", async (name) => {
    const fixture = readFixture(name);
    await withProgram(binding, fixture, { dtype: "float32" }, async ({ model, positions }) => {
      const { extra } = await model.forward(packRows(fixture, positions, [...fixture.rows.keys()]));
      expectClose(Array.from(extra.rewards!.values), fixture.float32.rewards!.flat());
      expectClose(Array.from(extra.gating!.values), fixture.float32.gating!.flat());
    });
  });
});

describe("bfloat16", () => {
  // One fixture's few rows say little about rounding, so that families are judged as a whole.
  const familyOf = (name: string) => readFixture(name).config.model_type;
  const families = [...new Set(fixtureNames.map(familyOf))];

  it.each([...families])(
    "%s: at most 1.5 times as far from float32 as transformers' bfloat16",
    async (family) => {
      let ours = 0;
      let theirs = 0;
      for (const name of fixtureNames.filter((candidate) => familyOf(candidate) === family)) {
        const fixture = readFixture(name);
        const truth = fixture.float32.scores.flat();
        const scale = Math.hypot(...truth);
        const distance = (scores: number[]) =>
          Math.hypot(...scores.map((score, i) => score - truth[i]!)) / scale;
        await withProgram(binding, fixture, { dtype: "bfloat16" }, async (loaded) => {
          ours += distance((await scoreAlone(fixture, loaded)).flat()) ** 2;
          theirs += distance(fixture.bfloat16.scores.flat()) ** 2;
        });
      }
      expect(Math.sqrt(ours)).toBeLessThanOrEqual(1.5 * Math.sqrt(theirs));
    },
  );
});

describe("storage", () => {
  it.each([
    { stored: "F16", shards: 1 },
    { stored: "BF16", shards: 1 },
    { stored: "F32", shards: 3 },
    { stored: "BF16", shards: 2 },
  ] as const)("$stored in $shards files gives the bits of float32 in one", async ({ stored, shards }) => {
    for (const name of ["qwen3", "mixtral", "internlm2", "armorm"]) {
      const fixture = readFixture(name);
      const run = (options: { stored?: typeof stored; shards?: number }) =>
        withProgram(binding, fixture, { dtype: "float32", ...options }, (loaded) =>
          scoreAlone(fixture, loaded),
        );
      expect(await run({ stored, shards }), name).toEqual(await run({}));
    }
  });
});
