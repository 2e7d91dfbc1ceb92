import { beforeAll, expect, it } from "vitest";
import {
  float32,
  noise,
  openEngineTest,
  referenceOps,
  type EngineTest,
  type TensorValue,
} from "./engine-test.js";

let engine: EngineTest;

beforeAll(async () => {
  engine = await openEngineTest();
});

it("runs snippets on tensors, numbers, lists and None", () => {
  const run = engine.compile(
    `def f(x: Tensor, n: int, scale: float, more: List[Tensor], nothing: Optional[Tensor], name: str) -> Tuple[Tensor, str]:
    for y in more:
        x = x + y
    if nothing is None:
        x = x * scale
    return x + n, name
`,
    { ops: "reference", reference: referenceOps },
  );
  const [tensor, name] = run(
    "f",
    float32([2], [1, 2]),
    { int: 3 },
    { float: 0.5 },
    [float32([2], [10, 20])],
    null,
    "a",
  ) as [TensorValue, string];
  expect(tensor).toEqual(float32([2], [8.5, 14]));
  expect(name).toBe("a");
});

it("compiles the same source against the reference and the fused ops", () => {
  const source = "def f(x: Tensor, w: W) -> Tensor:\n    return linear(x, w)\n";
  const weight = { linear: float32([5, 8], noise(40)), bias: float32([5], noise(5, 2)) };
  const x = float32([3, 8], noise(24, 3));
  const [reference, fused] = (["reference", "fused"] as const).map(
    (ops) => engine.compile(source, { ops, reference: referenceOps })("f", x, weight) as TensorValue,
  );
  expect(fused!.shape).toEqual([3, 5]);
  reference!.data.forEach((value, index) => expect(Number(fused!.data[index])).toBeCloseTo(Number(value), 5));
});

it("turns failures into errors with a code", () => {
  expect(() => engine.compile("def f(:", { ops: "reference", reference: referenceOps })).toThrow(
    expect.objectContaining({ code: "ERR_BACKEND" }),
  );
});

it("shares the loops of kernels among threads", () => {
  const before = engine.threads();
  try {
    for (const count of [1, 2, 4]) {
      engine.setThreads(count);
      expect(engine.threads()).toBe(count);
    }
  } finally {
    engine.setThreads(before);
  }
});
