/** Random inputs for the ops: always the same ones for a seed. */
import { noise, toBfloat16, type TensorValue } from "../engine-test.js";

export type OpDtype = "float32" | "bfloat16";

export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed * 7919 + 1;
  }

  /** A whole number, from..to inclusive. */
  int(from: number, to: number): number {
    return from + Math.floor(((this.next() + 1) / 2) * (to - from + 1));
  }
  pick<T>(choices: readonly T[]): T {
    return choices[this.int(0, choices.length - 1)]!;
  }
  /** [rows, columns] in [-size, size). */
  tensor(dtype: OpDtype, rows: number, columns: number, size = 1): TensorValue {
    return tensor(dtype, [rows, columns], this.values(rows * columns, size));
  }
  vector(length: number): TensorValue {
    return tensor("float32", [length], this.values(length, 1));
  }
  values(count: number, size: number): Float32Array {
    return noise(count, this.int(1, 1 << 30)).map((value) => value * size);
  }
  shuffled<T>(items: readonly T[]): T[] {
    const left = [...items];
    return items.map(() => left.splice(this.int(0, left.length - 1), 1)[0]!);
  }

  private next(): number {
    // A linear congruential generator's high bits; noise() has the same one but starts anew at every call.
    this.state = (Math.imul(this.state, 1103515245) + 12345) >>> 0;
    return this.state / 2147483648 - 1;
  }
}

export function tensor(dtype: OpDtype, shape: number[], values: Float32Array): TensorValue {
  return { dtype, shape, data: dtype === "float32" ? values : toBfloat16(values) };
}

export interface Segment {
  start: number;
  length: number;
  parent: number;
  position: number;
}

export function segmentTable(segments: Segment[]): TensorValue {
  const rows = segments.flatMap(({ start, length, parent, position }) => [start, length, parent, position]);
  return { dtype: "int32", shape: [segments.length, 4], data: Int32Array.from(rows) };
}

/** Appends a segment that continues `parent`; returns its index. */
export function addSegment(segments: Segment[], length: number, parent = -1): number {
  const before = segments.at(-1);
  const above = segments[parent];
  segments.push({
    start: before ? before.start + before.length : 0,
    length,
    parent,
    position: above ? above.position + above.length : 0,
  });
  return segments.length - 1;
}

/** Lengths lie around the width of a block of keys, 64, and below it. Without `causal`, segments without parents. */
export function randomTree(random: Random, count: number, causal: boolean): Segment[] {
  const segments: Segment[] = [];
  for (let index = 0; index < count; index++) {
    const length = random.pick([1, 2, 63, 64, 65, 128, random.int(1, 30), random.int(1, 200)]);
    addSegment(segments, length, random.int(-1, causal ? index - 1 : -1));
  }
  return segments;
}

export function tokenCount(segments: Segment[]): number {
  return segments.reduce((sum, { length }) => sum + length, 0);
}
