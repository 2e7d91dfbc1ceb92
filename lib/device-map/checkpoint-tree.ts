import { moduleName } from "../architectures/module-names.js";
import type { Dtype, StageSpec, TensorInfo, WeightSpec } from "../native/binding.js";
import type { ModuleNode } from "./module-tree.js";

const FLOAT32_BYTES = 4;
const DTYPE_BYTES: Record<Dtype, number> = { float32: 4, bfloat16: 2, float16: 2 };

/** Decoder layers, whose residual connection keeps them on one device. */
const BLOCK = /(^|\.)layers\.\d+$/;
const ROTARY = /(^|\.)rotary_emb/;

/**
 * The modules of a built-in program as transformers' model of the same checkpoint has them on the meta device: in its
 * order, every tensor in the model's dtype, and the buffers that no checkpoint stores. Needs only the headers.
 *
 * @param stages of the program; the last one is the head
 */
export function checkpointTree(
  stages: readonly StageSpec[],
  tensors: readonly TensorInfo[],
  dtype: Dtype,
): ModuleNode {
  const root = module("");
  const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]));
  for (const stage of inModuleOrder(stages)) {
    for (const name of stageTensors(stage)) {
      const count = shapes.get(name)!.reduce((product, size) => product * size, 1);
      addTensor(root, modulePath(name), "parameters", count * DTYPE_BYTES[dtype]);
    }
    const { dim, scale } = stage.attributes;
    if (isRotary(stage) && dim && "int" in dim) {
      const path = stageModule(stage);
      // The frequencies, and a copy that a scaling by length starts from.
      addTensor(root, `${path}.inv_freq`, "buffers", (dim.int / 2) * FLOAT32_BYTES);
      addTensor(root, `${path}.original_inv_freq`, "buffers", (dim.int / 2) * FLOAT32_BYTES);
    }
    if (scale && "float" in scale && scale.float !== 1 && !BLOCK.test(stage.name)) {
      addTensor(root, `${stage.name}.embed_scale`, "buffers", DTYPE_BYTES[dtype]);
    }
    if (BLOCK.test(stage.name)) moduleAt(root, stage.name.split(".")).noSplit = true;
  }
  return root;
}

/** Names of a stage's tensors as the checkpoint has them, each once. */
export function stageTensors(stage: StageSpec): string[] {
  const specs = Object.values(stage.weights)
    .flat()
    .filter((spec): spec is WeightSpec => spec !== null);
  const parts = specs.flatMap(({ parts, bias = [] }) => [...parts, ...bias.filter((part) => part !== null)]);
  return [...new Set(parts.map(({ tensor }) => tensor))];
}

/** The name of a tensor in transformers' model: the experts of a layer, apart on the Hub, are one tensor there. */
export function modulePath(tensor: string): string {
  return moduleName(tensor)
    .replace(".block_sparse_moe.", ".mlp.")
    .replace(/\.experts\.\d+\.w[13]\.weight$/, ".experts.gate_up_proj")
    .replace(/\.experts\.\d+\.w2\.weight$/, ".experts.down_proj");
}

/** The module that a stage stands for. The kinds of rotary embedding that a model has share one. */
export function stageModule(stage: StageSpec): string {
  return isRotary(stage) ? stage.name.replace(/rotary_emb.*$/, "rotary_emb") : stage.name;
}

export function isBlock(stage: StageSpec): boolean {
  return BLOCK.test(stage.name);
}

function isRotary(stage: StageSpec): boolean {
  return ROTARY.test(stage.name);
}

/** Programs compute rotary embeddings first; in transformers' models they are registered behind the final norm. */
function inModuleOrder(stages: readonly StageSpec[]): StageSpec[] {
  const trunk = stages.slice(0, -1);
  return [
    ...trunk.filter((stage) => !isRotary(stage)),
    ...trunk.filter((stage) => isRotary(stage)),
    ...stages.slice(-1),
  ];
}

function module(name: string): ModuleNode {
  return { name, noSplit: false, parameters: [], buffers: [], children: [] };
}

function moduleAt(root: ModuleNode, path: readonly string[]): ModuleNode {
  return path.reduce((parent, name) => {
    let child = parent.children.find((candidate) => candidate.name === name);
    if (!child) parent.children.push((child = module(name)));
    return child;
  }, root);
}

function addTensor(root: ModuleNode, path: string, kind: "parameters" | "buffers", bytes: number): void {
  const parts = path.split(".");
  const owner = moduleAt(root, parts.slice(0, -1))[kind];
  const name = parts.at(-1)!;
  const same = owner.find((tensor) => tensor.name === name);
  if (same) same.bytes += bytes;
  else owner.push({ name, bytes });
}
