/** Attention on accelerators: both of its ways, against the reference. */
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openEngineTest, referenceOps, type EngineTest, type TensorValue } from "../engine-test.js";
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
import { compileOps, difference, sameBits, widened, type RunOp } from "./programs.js";

const megabyte = 2 ** 20;
/** As the CPU's kernels: one rounding of the result, and in the fused kernel the weights of keys. */
const tolerance: Record<OpDtype, number> = { float32: 3e-6, bfloat16: 0.005 };

const source = `
def run(qkv: Tensor, segments: Tensor, q_heads: int, kv_heads: int, head_dim: int, scale: float,
        causal: bool, window: int, softcap: float, device: str) -> Tensor:
    table = segments.to(device)
    return attention(qkv.to(device), table, q_heads, kv_heads, head_dim, scale, causal, window, softcap).float()
`;

interface Heads {
  q: number;
  kv: number;
  dim: number;
  causal?: boolean;
  window?: number;
  softcap?: number;
}

let engine: EngineTest;
let reference: RunOp;
let compiled: ReturnType<EngineTest["compile"]>;

beforeAll(async () => {
  engine = await openEngineTest();
  engine.setThreads(2);
  reference = compileOps(engine, "reference");
  compiled = engine.compile(source, { ops: "device", reference: referenceOps });
});
beforeEach(() => engine.simulator.devices([1024 * megabyte]));

const sizes = ({ q, kv, dim, causal = true, window = 0, softcap = 0 }: Heads) => [
  ...[q, kv, dim].map((int) => ({ int })),
  ...[{ float: dim ** -0.5 }, causal, { int: window }, { float: softcap }],
];

function attend(qkv: TensorValue, segments: Segment[], heads: Heads, device = "sim:0"): Float32Array {
  const result = compiled("run", qkv, segmentTable(segments), ...sizes(heads), device) as TensorValue;
  return result.data as Float32Array;
}

function expected(qkv: TensorValue, segments: Segment[], heads: Heads): Float32Array {
  return reference("attention", widened(qkv), segmentTable(segments), ...sizes(heads));
}

function randomQkv(random: Random, dtype: OpDtype, segments: Segment[], { q, kv, dim }: Heads): TensorValue {
  return random.tensor(dtype, tokenCount(segments), (q + 2 * kv) * dim, 2);
}

function expectEqual(dtype: OpDtype, segments: Segment[], heads: Heads, device?: string): void {
  const qkv = randomQkv(new Random(3), dtype, segments, heads);
  const error = difference(attend(qkv, segments, heads, device), expected(qkv, segments, heads));
  expect(error, JSON.stringify(heads)).toBeLessThan(tolerance[dtype]);
}

const calls = () => engine.simulator.read(0).fusedAttention;
const mostUsed = () => engine.simulator.read(0).mostUsed / megabyte;

/** Trees whose lengths lie around everything that the plans divide by, and heads for each. */
function randomCase(seed: number, dims: number[]): { segments: Segment[]; heads: Heads } {
  const random = new Random(seed);
  const causal = seed % 3 !== 1;
  const segments = randomTree(random, random.int(1, 12), causal);
  if (seed % 4 === 0)
    addSegment(segments, random.pick([256, 257, 300, 700]), causal ? random.int(-1, 0) : -1);
  const kv = random.int(1, 3);
  const window = random.pick([0, 0, 1, 3, 64, 100]);
  return { segments, heads: { q: kv * random.int(1, 4), kv, dim: random.pick(dims), causal, window } };
}

const seeds = Array.from({ length: 16 }, (_, seed) => seed);

describe("products of padded batches", () => {
  describe.each(["cpu", "sim:0"])("on %s", (device) => {
    it.each(seeds)("are the reference (tree %i)", (seed) => {
      const { segments, heads } = randomCase(seed, [2, 6, 16, 64, 100]);
      const softcap = [0, 5, 30][seed % 3]!;
      for (const dtype of ["float32", "bfloat16"] as const)
        expectEqual(dtype, segments, { ...heads, softcap }, device);
    });
  });

  it("need memory that does not grow with the square of a row", () => {
    const segments: Segment[] = [];
    addSegment(segments, 2500);
    expectEqual("float32", segments, { q: 64, kv: 1, dim: 2 });
    // All products at once are 1,526 MiB.
    expect(mostUsed()).toBeLessThan(300);
  });

  it("need memory that does not grow with the number of rows that share a prefix", () => {
    const segments: Segment[] = [];
    const prefix = addSegment(segments, 1000);
    for (let row = 0; row < 100; row++) addSegment(segments, 1 + (row % 3), prefix);
    expectEqual("float32", segments, { q: 8, kv: 8, dim: 64 });
    // The keys and values of every row are 390 MiB, and are there twice while they are put in order.
    expect(mostUsed()).toBeLessThan(450);
  });
});

describe("the fused kernel for packed sequences", () => {
  beforeEach(() => engine.simulator.setFusedAttention(true));

  it.each(seeds)("is the reference (tree %i)", (seed) => {
    const { segments, heads } = randomCase(seed, [8, 16, 64, 96, 256]);
    expectEqual("bfloat16", segments, heads);
    expect(calls()).toBe(2); // one to see whether it is there
  });

  it("reads rows without a prefix where they are", () => {
    const segments: Segment[] = [];
    for (let row = 0; row < 8; row++) addSegment(segments, 128);
    const heads = { q: 1, kv: 8, dim: 256 };
    expectEqual("bfloat16", segments, { ...heads, q: 8 });
    const [qkv, result] = [1024 * 24 * 256 * 2, 1024 * 8 * 256 * 4];
    expect(mostUsed() * megabyte).toBeLessThan(1.1 * (qkv + result));
  });

  it("copies no more keys at a time than there is room for", () => {
    const segments: Segment[] = [];
    const prefix = addSegment(segments, 500);
    for (let row = 0; row < 300; row++) addSegment(segments, 1, prefix);
    expectEqual("bfloat16", segments, { q: 2, kv: 2, dim: 256 });
    // All of them are 294 MiB.
    expect(calls()).toBe(1 + 3);
    expect(mostUsed()).toBeLessThan(140);
  });

  it("is not given keys that the window hides", () => {
    const segments: Segment[] = [];
    const prefix = addSegment(segments, 1000);
    for (let row = 0; row < 50; row++) addSegment(segments, 2, prefix);
    expectEqual("bfloat16", segments, { q: 1, kv: 1, dim: 256, window: 10 });
    // With the whole prefix every row copies 1 MiB.
    expect(mostUsed()).toBeLessThan(8);
  });

  it.each<[string, OpDtype, Heads]>([
    ["float32", "float32", { q: 2, kv: 1, dim: 16 }],
    ["a softcap", "bfloat16", { q: 2, kv: 1, dim: 16, softcap: 30 }],
    ["heads that are no multiple of 8", "bfloat16", { q: 2, kv: 1, dim: 12 }],
    ["heads of more than 256", "bfloat16", { q: 2, kv: 1, dim: 264 }],
  ])("is not used for %s", (_, dtype, heads) => {
    const { segments } = randomCase(0, [8]);
    expectEqual(dtype, segments, heads);
    expect(calls()).toBe(0);
  });

  it("is used for float16", () => {
    const one: Segment[] = [];
    addSegment(one, 3);
    // Bits of 1 in float16
    const qkv: TensorValue = { dtype: "float16", shape: [3, 24], data: new Uint16Array(72).fill(0x3c00) };
    expect([...attend(qkv, one, { q: 1, kv: 1, dim: 8 })]).toEqual(Array(24).fill(1));
    expect(calls()).toBe(2);
  });

  it("is not used on devices that are too old for it", () => {
    engine.simulator.setFusedAttention(false);
    const { segments, heads } = randomCase(1, [16]);
    expectEqual("bfloat16", segments, heads);
    expect(calls()).toBe(0);
  });

  it("fails as the device does where there is no memory even to ask for it", () => {
    const one: Segment[] = [];
    addSegment(one, 64);
    const qkv = randomQkv(new Random(1), "bfloat16", one, { q: 1, kv: 1, dim: 8 });
    engine.simulator.devices([64 * 24 * 2 + 16 + 20]);
    engine.simulator.setFusedAttention(true);
    expect(() => attend(qkv, one, { q: 1, kv: 1, dim: 8 })).toThrow(
      expect.objectContaining({ code: "ERR_OUT_OF_MEMORY" }),
    );
  });
});

describe.each([
  ["padded", false],
  ["fused", true],
])("%s attention", (_, fused) => {
  beforeEach(() => engine.simulator.setFusedAttention(fused));

  it.each([
    [0, [0, 2]],
    [1, [1, 4]],
  ])("keeps the NaN of broken segment %i to what continues it", (first, broken) => {
    const [dim, length] = [16, 70];
    const width = 3 * dim;
    const segments: Segment[] = [];
    for (const parent of [-1, -1, 0, -1, 1]) addSegment(segments, length, parent);
    // Of the others' size class: they are padded.
    addSegment(segments, 90);
    const values = new Random(9).values(tokenCount(segments) * width, 1);
    const run = () =>
      attend(tensor("bfloat16", [tokenCount(segments), width], values), segments, { q: 1, kv: 1, dim });
    const healthy = run();
    values.fill(NaN, first * length * width, (first * length + 1) * width);
    const found = run();
    segments.forEach(({ start, length }, index) => {
      const part = (all: Float32Array) => all.subarray(start * dim, (start + length) * dim);
      if (broken.includes(index)) expect(part(found).every(Number.isNaN), `segment ${index}`).toBe(true);
      else expect(sameBits(part(found), part(healthy)), `segment ${index}`).toBe(true);
    });
  });

  it.each([
    ["leave a gap", { start: 4, length: 2, parent: -1, position: 0 }],
    ["end before the pack does", { start: 3, length: 2, parent: -1, position: 0 }],
    ["come twice", { start: 0, length: 6, parent: -1, position: 0 }],
  ])("refuses segments that %s", (_, second) => {
    const segments = [{ start: 0, length: 3, parent: -1, position: 0 }, second];
    const qkv = new Random(1).tensor("bfloat16", 6, 24);
    expect(() => attend(qkv, segments, { q: 1, kv: 1, dim: 8 })).toThrow(/attention: .*segments/);
  });
});
