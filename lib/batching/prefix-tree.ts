/**
 * Finds what rows have in common at their start, so that it is computed once.
 *
 * The tree is radix: a node is a run of tokens, its children continue it. In a causal model a token's hidden state
 * depends only on what stands before it, so rows with the same beginning share the states of that beginning, and a
 * row that is a prefix of another one, or equal to it, costs nothing.
 */
export interface PrefixNode {
  /** Half-open range of token positions within its rows. */
  start: number;
  end: number;
  /** Any of the rows that pass through this node: the tokens are `rows[row][start..end)`. */
  row: number;
  /** Position of the parent in the node list, which lists parents before children; -1 = root. */
  parent: number;
}

export interface PrefixTree {
  nodes: PrefixNode[];
  /** [rows, in the order they were given] the node where each row ends. */
  leaves: number[];
}

/** Length of the common beginning of two rows. */
export function commonPrefixLength(a: Int32Array, b: Int32Array): number {
  const limit = Math.min(a.length, b.length);
  let length = 0;
  while (length < limit && a[length] === b[length]) length++;
  return length;
}

/** Orders rows so that those with a common beginning are neighbours. */
export function compareIds(a: Int32Array, b: Int32Array): number {
  const common = commonPrefixLength(a, b);
  if (common === a.length || common === b.length) return a.length - b.length;
  return a[common]! - b[common]!;
}

/**
 * Builds the tree of rows that are sorted by `compareIds`.
 *
 * @param rows [rows][tokens], sorted
 * @param minimum a beginning shorter than this is computed again for each row: a segment has a cost of its own
 */
export function buildPrefixTree(rows: readonly Int32Array[], minimum: number): PrefixTree {
  const nodes: PrefixNode[] = [];
  const leaves: number[] = [];
  // The nodes from the root to the end of the last row.
  let path: number[] = [];
  rows.forEach((ids, row) => {
    const previous = row > 0 ? rows[row - 1]! : new Int32Array(0);
    let shared = commonPrefixLength(previous, ids);
    if (shared < minimum) shared = 0;
    // Leave the part of the path that this row does not follow.
    while (path.length > 0 && nodes[path.at(-1)!]!.start >= shared) path.pop();
    const last = path.at(-1);
    if (last !== undefined && nodes[last]!.end > shared) splitNode(nodes, leaves, path, shared);
    if (shared < ids.length) {
      nodes.push({ start: shared, end: ids.length, row, parent: path.at(-1) ?? -1 });
      path = [...path, nodes.length - 1];
    }
    leaves.push(path.at(-1)!);
  });
  return sortParentsFirst(nodes, leaves);
}

/** Cuts the last node of the path at `at`: it keeps the first part, a new node takes the rest with its children. */
function splitNode(nodes: PrefixNode[], leaves: number[], path: number[], at: number): void {
  const index = path.at(-1)!;
  const node = nodes[index]!;
  const rest = nodes.length;
  for (const other of nodes) if (other.parent === index) other.parent = rest;
  nodes.push({ start: at, end: node.end, row: node.row, parent: index });
  leaves.forEach((leaf, row) => {
    if (leaf === index) leaves[row] = rest;
  });
  node.end = at;
}

/** Splitting appends a node behind its own children; what runs the tree wants every parent before its children. */
function sortParentsFirst(nodes: PrefixNode[], leaves: number[]): PrefixTree {
  const order = nodes.map((_, i) => i).sort((a, b) => nodes[a]!.start - nodes[b]!.start || a - b);
  const position = new Int32Array(nodes.length);
  order.forEach((old, now) => (position[old] = now));
  return {
    nodes: order.map((old) => {
      const node = nodes[old]!;
      return { ...node, parent: node.parent < 0 ? -1 : position[node.parent]! };
    }),
    leaves: leaves.map((leaf) => position[leaf]!),
  };
}
