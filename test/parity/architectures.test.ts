import { beforeAll, describe, expect, it } from "vitest";
import type { Dtype, NativeBinding, PackedBatch } from "#lib/native/binding.js";
import { openBinding } from "../native/archives.js";
import { fixtureNames, readFixture, type ArchitectureFixture } from "./fixtures.js";
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

describe.each(fixtureNames.filter((name) => readFixture(name).rows.length === 7))(
  "%s: shared prefixes",
  (name) => {
    const fixture = readFixture(name);
    // Rows 3 and 4 begin with the same tokens.
    const [short, long] = [fixture.rows[3]!, fixture.rows[4]!];
    const common = short.findIndex((id, i) => id !== long[i]);

    it.each<Dtype>(["float32", "bfloat16"])("%s: the same bits with and without", async (dtype) => {
      await withProgram(binding, fixture, { dtype }, async ({ model, positions, architecture }) => {
        if (architecture.ropeClass(short.length) !== architecture.ropeClass(long.length)) return;
        const rows = [3, 4];
        const apart = packRows(fixture, positions, rows);
        const tails = rows.map((row) => fixture.rows[row]!.slice(common));
        const starts = tails.map(
          (_, i) => common + tails.slice(0, i).reduce((sum, tail) => sum + tail.length, 0),
        );
        const shared: PackedBatch = {
          ids: Int32Array.from([...long.slice(0, common), ...tails.flat()]),
          lengths: Int32Array.from([common, ...tails.map((tail) => tail.length)]),
          parents: Int32Array.from([-1, ...tails.map(() => 0)]),
          rowLengths: Int32Array.from([long.length, ...rows.map((row) => fixture.rows[row]!.length)]),
          pooled: Int32Array.from(
            rows.flatMap((row, i) =>
              positions[row]!.pooled.map((at) => (at < common ? at : starts[i]! + at - common)),
            ),
          ),
          gates: new Int32Array(0),
        };
        expect((await model.forward(shared)).scores).toEqual((await model.forward(apart)).scores);
      });
    });
  },
);

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
