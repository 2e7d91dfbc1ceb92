/** What the kernels of every instruction set must do. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { openEngineTest, type EngineTest, type TensorValue, type Value } from "../engine-test.js";
import { attentionBits } from "./attention-bits.js";
import {
  addSegment,
  Random,
  randomTree,
  segmentTable,
  tensor,
  tokenCount,
  type OpDtype,
  type Segment,
} from "./inputs.js";
import { compileOps, difference, sameBits, widened, type Op, type RunOp } from "./programs.js";

const dtypes = ["float32", "bfloat16"] as const;
/** One rounding to bfloat16 is half of 2^-8; attention also rounds the weights of its keys. */
const tolerance: Record<OpDtype, number> = { float32: 3e-6, bfloat16: 0.005 };

/** Flags of /proc/cpuinfo that an instruction set needs. */
const flags = {
  portable: [],
  avx2: ["avx2", "fma"],
  avx512: ["avx512f", "avx512bw", "avx512dq", "avx512vl"],
  avx512_bf16: ["avx512_bf16"],
};

export function describeKernels(level: keyof typeof flags): void {
  const own =
    readFileSync("/proc/cpuinfo", "utf8")
      .match(/^flags\s*:(.*)$/m)?.[1]
      ?.split(" ") ?? [];
  const available = flags[level].every((flag) => own.includes(flag));

  describe.skipIf(!available)(`kernels for ${level}`, () => {
    let engine: EngineTest;
    let fused: RunOp;
    let reference: RunOp;

    beforeAll(async () => {
      // Read once, when the addon is loaded.
      process.env["REWARD_MODEL_SCORE_CPU"] = level;
      // More threads than cores are tested here; those that wait must not hold a core.
      process.env["OMP_WAIT_POLICY"] = "passive";
      engine = await openEngineTest();
      fused = compileOps(engine, "fused");
      reference = compileOps(engine, "reference");
    });

    function expectEqual(dtype: OpDtype, op: Op, ...args: Value[]): void {
      const error = difference(fused(op, ...args), reference(op, ...args.map(widened)));
      expect(error, `${op} ${dtype}`).toBeLessThan(tolerance[dtype]);
    }

    describe.each(dtypes)("in %s", (dtype) => {
      it.each(Array.from({ length: 24 }, (_, seed) => seed))(
        "attention is the reference's (tree %i)",
        (seed) => {
          const random = new Random(seed);
          engine.setThreads(random.int(1, 3));
          const causal = seed % 3 !== 2;
          const segments = randomTree(random, random.int(1, 7), causal);
          const kvHeads = random.int(1, 3);
          const qHeads = kvHeads * random.int(1, 5);
          const headDim = random.pick([2, 6, 16, 64, 80, 96, 100, 128, 256]);
          const qkv = random.tensor(dtype, tokenCount(segments), (qHeads + 2 * kvHeads) * headDim, 2);
          const sizes = [qHeads, kvHeads, headDim].map((int) => ({ int }));
          const scale = { float: random.pick([headDim ** -0.5, 0.3]) };
          const window = { int: random.pick([0, 1, 3, 64, 100]) };
          const softcap = { float: random.pick([0, 5, 30]) };
          const table = segmentTable(segments);
          expectEqual(dtype, "attention", qkv, table, ...sizes, scale, causal, window, softcap);
        },
      );

      it.each([1, 3, 16, 17, 100, 1024])("norms are the reference's for %i channels", (size) => {
        const random = new Random(size);
        const x = random.tensor(dtype, 37, size, 3);
        const [weight, bias] = [random.vector(size), random.vector(size)];
        for (const unitOffset of [false, true])
          expectEqual(dtype, "rms_norm", x, weight, { float: 1e-6 }, unitOffset);
        if (size === 1) return; // nothing but the bias is left
        for (const [scale, shift] of [
          [weight, bias],
          [weight, null],
          [null, bias],
          [null, null],
        ])
          expectEqual(dtype, "layer_norm", x, scale!, shift!, { float: 1e-5 });
      });

      it.each([
        [2, 1],
        [64, 32],
        [80, 20],
        [100, 50],
        [128, 64],
        [64, 0],
      ])("rotary is the reference's for heads of %i with %i pairs", (headDim, pairs) => {
        const random = new Random(headDim);
        const [cos, sin] = [random.tensor("float32", 19, pairs), random.tensor("float32", 19, pairs)];
        for (const norm of [null, random.vector(headDim)]) {
          for (const unitOffset of [false, true]) {
            const qkv = random.tensor(dtype, 19, 7 * headDim);
            const sizes = [3, 2, headDim].map((int) => ({ int }));
            expectEqual(dtype, "rotary", qkv, cos, sin, ...sizes, norm, norm, { float: 1e-6 }, unitOffset);
          }
        }
      });

      it.each(["silu", "gelu", "gelu_tanh", "relu", "relu2", "quick_gelu", "tanh"])(
        "%s is the reference's, into the tails",
        (kind) => {
          const random = new Random(5);
          for (const [size, range] of [
            [1, 1],
            [33, 0.01],
            [64, 4],
            [100, 20],
            [48, 200],
          ] as const) {
            expectEqual(dtype, "gated_activation", random.tensor(dtype, 23, 2 * size, range), kind);
            expectEqual(dtype, "activation", random.tensor(dtype, 23, size, range), kind);
          }
        },
      );

      it.each(Array.from({ length: 12 }, (_, seed) => seed))(
        "relative attention is the reference's, and has the same bits in any pack (%i)",
        (seed) => {
          const random = new Random(seed);
          engine.setThreads(random.int(1, 3));
          const heads = random.int(1, 3);
          const headDim = random.pick([2, 6, 16, 64]);
          const reach = random.pick([1, 5, 70, 300]);
          const count = random.pick([1, 7, 64, 65, 150]);
          // Columns grow with the distance, as those of models do.
          const distances = 2 * reach + 1;
          const columns: TensorValue = {
            dtype: "int32",
            shape: [distances],
            data: Int32Array.from({ length: distances }, (_, i) => Math.floor((i * count) / distances)),
          };
          const width = heads * headDim;
          const table = (present: boolean) => (present ? random.tensor(dtype, count, width, 2) : null);
          const [keys, queries] = [table(seed % 4 !== 1), table(seed % 4 !== 2)];
          const bias = seed % 4 === 3 ? null : random.tensor("float32", heads, count, 2);
          const scale = { float: headDim ** -0.5 };
          const sizes = [heads, headDim].map((int) => ({ int }));
          const segments = randomTree(random, random.int(1, 5), false);
          const values = random.values(tokenCount(segments) * 3 * width, 2);
          const attend = (run: RunOp, from: number, of: Segment[], as: (value: Value) => Value) => {
            const tokens = tokenCount(of);
            const part = values.subarray(from * 3 * width, (from + tokens) * 3 * width);
            const inputs = [tensor(dtype, [tokens, 3 * width], part), segmentTable(of), ...sizes, scale];
            return run("relative_attention", ...[...inputs, columns, keys, queries, bias].map(as));
          };
          const packed = attend(fused, 0, segments, (value) => value);
          const error = difference(packed, attend(reference, 0, segments, widened));
          expect(error).toBeLessThan(tolerance[dtype]);
          for (const { start, length } of segments) {
            const alone: Segment[] = [];
            addSegment(alone, length);
            const own = attend(fused, start, alone, (value) => value);
            expect(sameBits(packed.subarray(start * width, (start + length) * width), own)).toBe(true);
          }
        },
      );

      it.each([1, 63, 64, 65, 200])("means of segments are the reference's for %i channels", (size) => {
        const random = new Random(size);
        const segments = randomTree(random, 5, false);
        const x = random.tensor(dtype, tokenCount(segments), size, 3);
        expectEqual(dtype, "segment_mean", x, segmentTable(segments));
      });

      it("linears are the reference's", () => {
        const random = new Random(6);
        for (const [inputs, outputs, rows] of [
          [64, 192, 70],
          [100, 33, 1],
          [96, 1, 5],
          [1, 7, 3],
        ] as const) {
          const [x, linear] = [random.tensor(dtype, rows, inputs), random.tensor(dtype, outputs, inputs)];
          const bias = { ...random.tensor(dtype, 1, outputs), shape: [outputs] };
          const residual = random.tensor(dtype, rows, outputs);
          expectEqual(dtype, "linear", x, { linear });
          expectEqual(dtype, "linear", x, { linear, bias });
          expectEqual(dtype, "linear_add", x, { linear, bias }, residual);
        }
      });

      it("rows of linears have the same bits for any number of rows and threads", () => {
        const random = new Random(7);
        const [inputs, outputs, most] = [2048, 96, 300];
        const x = random.tensor(dtype, most, inputs);
        const linear = random.tensor(dtype, outputs, inputs);
        engine.setThreads(1);
        const all = fused("linear", x, { linear });
        for (const threads of [1, 2, 3, 4]) {
          engine.setThreads(threads);
          for (const rows of [1, 2, 3, 17, 64, 129, most]) {
            const some = { ...x, shape: [rows, inputs], data: x.data.slice(0, rows * inputs) };
            const same = sameBits(fused("linear", some, { linear }), all.subarray(0, rows * outputs));
            expect(same, `${String(rows)} rows on ${String(threads)} threads`).toBe(true);
          }
        }
      });

      attentionBits(dtype, () => ({ engine, fused }));
    });
  });
}
