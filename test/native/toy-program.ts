/** A one-layer decoder small enough to read, with random weights. */
import type { PackedBatch, ProgramSpec, StageSpec, WeightSpec } from "#lib/native/binding.js";
import { noise, referenceOps } from "./engine-test.js";
import { f32, type FileTensor } from "./weights/safetensors-file.js";

const hidden = 64;
const heads = 2;
const vocabulary = 50;

export function dense(tensor: string, shape: number[], dtype: "model" | "float32" = "model"): WeightSpec {
  return { kind: "dense", dtype, parts: [{ tensor }], shape };
}

export function linear(tensors: string[], shape: number[], dtype: "model" | "float32" = "model"): WeightSpec {
  return { kind: "linear", dtype, parts: tensors.map((tensor) => ({ tensor })), shape };
}

const embedding = (): StageSpec => ({
  name: "model.embed_tokens",
  source: `def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
    return torch.embedding(self.weight, batch["ids"])
`,
  attributes: {},
  weights: { weight: dense("embed", [vocabulary, hidden]) },
});

const layerSource = `def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
    y = rms_norm(x, self.norm, self.eps, False)
    qkv = linear(y, self.qkv)
    if self.q_norm is not None:
        qkv = qkv + self.q_norm
    y = attention(qkv, batch["segments"], 2, 1, 32, 0.17, True, 0, 0.0)
    if self.last:
        x = x.index_select(0, batch["keep"])
        y = y.index_select(0, batch["keep"])
    return linear_add(y, self.out, x)
`;

const score = (): StageSpec => ({
  name: "score",
  source: `def forward(self, x: Tensor, batch: Dict[str, Tensor]) -> Tensor:
    batch["out.hidden"] = x.float()
    return linear(x.float(), self.weight)
`,
  attributes: {},
  weights: { weight: linear(["score"], [2, hidden], "float32") },
});

export function toySpec(layers = 2): ProgramSpec {
  const layer = (index: number): StageSpec => ({
    name: `model.layers.${index}`,
    source: layerSource,
    attributes: { eps: { float: 1e-6 }, last: { bool: index === layers - 1 } },
    weights: {
      norm: dense(`${index}.norm`, [hidden], "float32"),
      q_norm: null,
      qkv: linear([`${index}.q`, `${index}.k`, `${index}.v`], [2 * hidden, hidden]),
      out: { ...linear([`${index}.out`], [hidden, hidden]), bias: [{ tensor: `${index}.out.bias` }] },
    },
  });
  return {
    stages: [embedding(), ...Array.from({ length: layers }, (_, index) => layer(index)), score()],
    reference: referenceOps,
  };
}

export function toyTensors(layers = 2): Record<string, FileTensor> {
  let seed = 0;
  const random = (...shape: number[]) => {
    const count = shape.reduce((a, b) => a * b, 1);
    return f32(
      shape,
      noise(count, ++seed).map((value) => value / Math.sqrt(shape.at(-1)!)),
    );
  };
  const tensors: Record<string, FileTensor> = { embed: random(vocabulary, hidden), score: random(2, hidden) };
  for (let index = 0; index < layers; ++index) {
    tensors[`${index}.norm`] = random(hidden);
    tensors[`${index}.q`] = random(hidden, hidden);
    tensors[`${index}.k`] = random(hidden / heads, hidden);
    tensors[`${index}.v`] = random(hidden / heads, hidden);
    tensors[`${index}.out`] = random(hidden, hidden);
    tensors[`${index}.out.bias`] = random(hidden);
  }
  return tensors;
}

/** Rows one after the other, each pooled at its last token. */
export function pack(rows: number[][]): PackedBatch {
  const lengths = Int32Array.from(rows, (row) => row.length);
  let end = 0;
  return {
    fields: { ids: Int32Array.from(rows.flat()) },
    lengths,
    parents: new Int32Array(rows.length).fill(-1),
    rowLengths: lengths,
    pooled: lengths.map((length) => (end += length) - 1),
    gates: new Int32Array(),
  };
}
