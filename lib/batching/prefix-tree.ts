import type { TokenFields } from "../tokenizer/token-fields.js";

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

/** Length of the common beginning of two rows, whose tokens are the same where all their fields are. */
export function commonPrefixLength(a: TokenFields, b: TokenFields): number {
  let limit = Math.min(a.ids.length, b.ids.length);
  for (const name of Object.keys(a)) {
    const [ours, theirs] = [a[name]!, b[name]!];
    let length = 0;
    while (length < limit && ours[length] === theirs[length]) length++;
    limit = length;
  }
  return limit;
}

/** Orders rows so that those with a common beginning are neighbours. */
export function compareRows(a: TokenFields, b: TokenFields): number {
  const common = commonPrefixLength(a, b);
  if (common === a.ids.length || common === b.ids.length) return a.ids.length - b.ids.length;
  const different = Object.keys(a).find((name) => a[name]![common] !== b[name]![common])!;
  return a[different]![common]! - b[different]![common]!;
}

/**
 * Builds the tree of rows that are sorted by `compareRows`.
 *
 * @param rows sorted
 * @param minimum a beginning shorter than this is computed again for each row: a segment has a cost of its own
 */
export function buildPrefixTree(rows: readonly TokenFields[], minimum: number): PrefixTree {
  const nodes: PrefixNode[] = [];
  const leaves: number[] = [];
  // The nodes from the root to the end of the last row.
  let path: number[] = [];
  rows.forEach((fields, row) => {
    let shared = row > 0 ? commonPrefixLength(rows[row - 1]!, fields) : 0;
    if (shared < minimum) shared = 0;
    // Leave the part of the path that this row does not follow.
    while (path.length > 0 && nodes[path.at(-1)!]!.start >= shared) path.pop();
    const last = path.at(-1);
    if (last !== undefined && nodes[last]!.end > shared) splitNode(nodes, leaves, path, shared);
    if (shared < fields.ids.length) {
      nodes.push({ start: shared, end: fields.ids.length, row, parent: path.at(-1) ?? -1 });
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
