/**
 * A model as the planner sees it: modules in the order in which they are registered, and the bytes of their tensors.
 */
export interface ModuleNode {
  /** The last part of the module's dotted name; "" for the root. */
  name: string;
  /** Blocks with a residual connection, which are never split over devices. */
  noSplit: boolean;
  parameters: TensorSize[];
  buffers: TensorSize[];
  children: ModuleNode[];
}

export interface TensorSize {
  name: string;
  /** 0 for a tensor that is tied to another one: it is counted where it lives. */
  bytes: number;
  /** The tensor is another name of one that is counted elsewhere. */
  tied?: boolean;
}

/** Bytes of everything in a module. */
export function sizeOf(module: ModuleNode): number {
  const own = [...module.parameters, ...module.buffers].reduce((sum, tensor) => sum + tensor.bytes, 0);
  return module.children.reduce((sum, child) => sum + sizeOf(child), own);
}

/** Bytes of the tensors that belong to the module itself; undefined when it has none. */
export function directTensorBytes(module: ModuleNode): number | undefined {
  const tensors = [...module.parameters, ...module.buffers].filter((tensor) => !tensor.tied);
  return tensors.length === 0 ? undefined : tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
}

/** Bytes of every tensor under its full name. */
export function tensorSizes(module: ModuleNode, prefix = ""): Map<string, number> {
  const own = [...module.parameters, ...module.buffers].map(
    ({ name, bytes }) => [`${prefix}${name}`, bytes] as const,
  );
  const below = module.children.flatMap((child) => [...tensorSizes(child, `${prefix}${child.name}.`)]);
  return new Map([...own, ...below]);
}

/** The module and all below it, parents first. */
export function* walkModules(module: ModuleNode): Generator<ModuleNode> {
  yield module;
  for (const child of module.children) yield* walkModules(child);
}
