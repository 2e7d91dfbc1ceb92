import type { Mode } from "#lib/device-map/forms.js";
import type { ModuleNode } from "#lib/device-map/module-tree.js";

/** A tree as scripts/fixtures/device_map.py writes it: name, block, parameters, buffers, children. */
export interface RecordedTree {
  n: string;
  x?: 1;
  p?: [string, number, 1?][];
  b?: [string, number, 1?][];
  c?: RecordedTree[];
}

export interface RecordedFamily {
  tree: RecordedTree;
  cases: {
    mode: Mode;
    maxMemory: Record<string, number>;
    limits: Record<string, number>;
    map: Record<string, string | number>;
  }[];
}

export function unpackTree({ n, x, p = [], b = [], c = [] }: RecordedTree): ModuleNode {
  const tensors = (list: [string, number, 1?][]) =>
    list.map(([name, bytes, tied]) => ({ name, bytes, tied: tied === 1 }));
  return {
    name: n,
    noSplit: x === 1,
    parameters: tensors(p),
    buffers: tensors(b),
    children: c.map(unpackTree),
  };
}
