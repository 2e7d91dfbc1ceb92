/** What a program sees of a checkpoint. */
import type { Dtype, NativeCheckpoint, WeightPart, WeightSpec } from "#lib/native/binding.js";
import { referenceOps, type EngineTest } from "../engine-test.js";
import { stagesOn } from "../stages-on.js";
import { pack } from "../toy-program.js";

export const showDense = `def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
    return self.weight.float().reshape(self.weight.size(0), -1)
`;
const showLinear = `def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
    return linear(torch.eye(self.columns, dtype=x.dtype), self.weight).float()
`;

/** What a program sees as its weight: rows of a dense one, of a linear one Wᵀ + bias. */
export async function bound(
  engine: EngineTest,
  checkpoint: NativeCheckpoint,
  weight: WeightSpec,
  dtype: Dtype = "float32",
  device = "cpu",
): Promise<number[][]> {
  const isLinear = weight.kind === "linear";
  const columns = weight.shape.at(-1) ?? 1;
  const stage = {
    name: "score",
    source: isLinear ? showLinear : showDense,
    attributes: { columns: { int: columns } },
    weights: { weight },
  };
  const spec = { stages: [stage], reference: referenceOps };
  const model = await engine.loadProgram(spec, {
    checkpoint,
    dtype,
    threads: 0,
    ...stagesOn({ stages: [stage] }, device),
  });
  try {
    const rows = isLinear ? columns : weight.shape[0]!;
    const { scores, labels } = await model.forward(pack(Array.from({ length: rows }, () => [0])));
    return Array.from({ length: rows }, (_, row) => [...scores.subarray(row * labels, (row + 1) * labels)]);
  } finally {
    await model.dispose();
  }
}

export function dense(shape: number[], ...parts: WeightPart[]): WeightSpec {
  return { kind: "dense", dtype: "model", parts, shape };
}
