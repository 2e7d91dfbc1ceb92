import { moduleName } from "../architectures/module-names.js";
import type { Stage } from "../architectures/stage.js";
import type { Dtype, TensorInfo, WeightSpec } from "../native/binding.js";
import type { ModuleNode } from "./module-tree.js";

/** Of one number. */
export const DTYPE_BYTES: Record<Dtype, number> = { float32: 4, bfloat16: 2, float16: 2 };

/** What the weights of a model are in memory. */
export interface WeightTypes {
  /** The type of the model. */
  dtype: Dtype;
  /** What linears of that type are kept in: most of the weights. */
  linears: Dtype;
}

/**
 * The modules of a built-in program as transformers' model of the same checkpoint has them on the meta device: in its
 * order, every tensor in the model's dtype (but linears in what they are kept in), and the buffers that no checkpoint
 * stores. Needs only the headers.
 *
 * @param stages of the program; the last one is the head
 */
export function checkpointTree(
  stages: readonly Stage[],
  tensors: readonly TensorInfo[],
  types: WeightTypes,
): ModuleNode {
  const root = module("");
  const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]));
  for (const sibling of stages.flatMap(({ siblings = [] }) => siblings)) moduleAt(root, sibling.split("."));
  for (const stage of inModuleOrder(stages)) {
    const linears = new Set(weightsOf(stage).filter(isPacked).flatMap(tensorsOf));
    for (const name of stageTensors(stage)) {
      const count = shapes.get(name)!.reduce((product, size) => product * size, 1);
      const dtype = linears.has(name) ? types.linears : types.dtype;
      addTensor(root, modulePath(stage, name), "parameters", count * DTYPE_BYTES[dtype]);
    }
    for (const { name, numbers, dtype: type } of stage.buffers ?? []) {
      const bytes = numbers * DTYPE_BYTES[type === "model" ? types.dtype : type];
      addTensor(root, `${stageModule(stage)}.${name}`, "buffers", bytes);
    }
    if (stage.block) moduleAt(root, stageModule(stage).split(".")).noSplit = true;
  }
  return root;
}

/** Names of a stage's tensors as the checkpoint has them, each once. */
export function stageTensors(stage: Stage): string[] {
  return [...new Set(weightsOf(stage).flatMap(tensorsOf))];
}

function weightsOf(stage: Stage): WeightSpec[] {
  return Object.values(stage.weights)
    .flat()
    .filter((spec) => spec !== null);
}

function tensorsOf({ parts, bias = [] }: WeightSpec): string[] {
  return [...parts, ...bias.filter((part) => part !== null)].map(({ tensor }) => tensor);
}

function isPacked({ kind, dtype }: WeightSpec): boolean {
  return kind === "linear" && dtype === "model";
}

/** The name in transformers' model of a stage's tensor. */
export function modulePath({ renames = {} }: Stage, tensor: string): string {
  const name = moduleName(tensor);
  return renames[name] ?? name;
}

/** The module of transformers' model that a stage stands for. */
export function stageModule({ name, module = name }: Stage): string {
  return module;
}

function inModuleOrder(stages: readonly Stage[]): Stage[] {
  const trunk = stages.slice(0, -1);
  return [
    ...trunk.filter(({ registeredLast }) => !registeredLast),
    ...trunk.filter(({ registeredLast }) => registeredLast),
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
