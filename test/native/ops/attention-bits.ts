/** Bits of attention that do not depend on packing, order, sharing or threads. */
import { expect, it } from "vitest";
import type { EngineTest } from "../engine-test.js";
import { addSegment, Random, segmentTable, tensor, type OpDtype, type Segment } from "./inputs.js";
import { sameBits, type RunOp } from "./programs.js";

interface Row {
  /** How many of the prefixes it continues, the first ones of a chain. */
  prefixes: number;
  own: Float32Array;
}

export function attentionBits(dtype: OpDtype, context: () => { engine: EngineTest; fused: RunOp }): void {
  const seeds = [1, 2, 3, 4, 5, 6].flatMap((seed) => [true, false].map((causal) => ({ seed, causal })));
  it.each(seeds)("attention has the same bits alone and in any pack (%o)", ({ seed, causal }) => {
    const { engine, fused } = context();
    const random = new Random(seed);
    const [kvHeads, group, headDim] = [
      random.int(1, 2),
      random.pick([1, 2, 3, 5]),
      random.pick([6, 16, 64, 80]),
    ];
    const width = kvHeads * (group + 2) * headDim;
    const outWidth = kvHeads * group * headDim;
    const window = random.pick([0, 0, 40, 64]);
    const softcap = random.pick([0, 7]);

    const chain = [1, 2, 3].map(() => random.values(random.int(1, 150) * width, 2));
    const rows = Array.from({ length: 5 }, (): Row => {
      return { prefixes: causal ? random.int(0, 3) : 0, own: random.values(random.int(1, 150) * width, 2) };
    });
    const attend = (parts: Float32Array[], segments: Segment[]): Float32Array => {
      const values = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
      let filled = 0;
      for (const part of parts) {
        values.set(part, filled);
        filled += part.length;
      }
      const qkv = tensor(dtype, [values.length / width, width], values);
      const sizes = [kvHeads * group, kvHeads, headDim].map((int) => ({ int }));
      const numbers = [{ float: headDim ** -0.5 }, causal, { int: window }, { float: softcap }];
      return fused("attention", qkv, segmentTable(segments), ...sizes, ...numbers);
    };

    engine.setThreads(1);
    const alone = rows.map(({ prefixes, own }) => {
      const parts = [...chain.slice(0, prefixes), own];
      const segments: Segment[] = [];
      addSegment(segments, parts.reduce((sum, part) => sum + part.length, 0) / width);
      return attend(parts, segments).slice(-(own.length / width) * outWidth);
    });
    expect(alone.every((values) => values.every(Number.isFinite))).toBe(true);

    for (const threads of [1, 2, 3, 4]) {
      engine.setThreads(threads);
      const segments: Segment[] = [];
      const parts: Float32Array[] = [];
      const add = (part: Float32Array, parent: number): number => {
        parts.push(part);
        return addSegment(segments, part.length / width, parent);
      };
      const nodes = [-1];
      for (const part of causal ? chain : []) nodes.push(add(part, nodes.at(-1)!));
      const places = random.shuffled([...rows.keys()]).map((index) => {
        const { prefixes, own } = rows[index]!;
        const count = own.length / width;
        let parent = nodes[prefixes]!;
        if (random.int(0, 2) === 0) {
          // Unshared: the prefixes once more, as segments of their own
          parent = -1;
          for (const part of chain.slice(0, prefixes)) parent = add(part, parent);
        }
        const cut = causal ? random.int(0, count - 1) * width : 0;
        if (cut > 0) parent = add(own.subarray(0, cut), parent);
        const last = segments[add(own.subarray(cut), parent)]!;
        return { index, from: last.start + last.length - count, to: last.start + last.length };
      });
      const packed = attend(parts, segments);
      for (const { index, from, to } of places)
        expect(
          sameBits(packed.subarray(from * outWidth, to * outWidth), alone[index]!),
          `row ${String(index)} on ${String(threads)} threads`,
        ).toBe(true);
    }
  });

  it("attention keeps a broken row's NaN to itself", () => {
    const { fused } = context();
    const random = new Random(9);
    const [headDim, length] = [16, 70];
    const width = 3 * headDim;
    const segments: Segment[] = [];
    for (const parent of [-1, -1, 0]) addSegment(segments, length, parent);
    const values = random.values(3 * length * width, 1);
    const run = (): Float32Array =>
      fused(
        "attention",
        tensor(dtype, [3 * length, width], values),
        segmentTable(segments),
        ...[1, 1, headDim].map((int) => ({ int })),
        ...[{ float: 0.25 }, true, { int: 0 }, { float: 0 }],
      );
    const healthy = run();
    values.fill(NaN, (length + 5) * width, (length + 6) * width);
    const broken = run();
    const [from, to] = [length * headDim, 2 * length * headDim];
    expect(sameBits(broken.subarray(0, from), healthy.subarray(0, from))).toBe(true);
    expect(sameBits(broken.subarray(to), healthy.subarray(to))).toBe(true);
    expect(broken.subarray(to - headDim, to).every(Number.isNaN)).toBe(true);
  });
}
