import type { PackedBatch } from "../native/binding.js";
import { joinFields, sliceFields } from "../tokenizer/token-fields.js";
import { buildPrefixTree, commonPrefixLength, compareRows, type PrefixTree } from "./prefix-tree.js";
import type { EncodedRow } from "./row.js";

export interface PackOptions {
  /** Tokens computed per pack; a single row may be longer. */
  budget: number;
  /** Compute the common beginning of rows once, where the program is causal. */
  sharePrefixes: boolean;
  /** A token's state depends on nothing that stands behind it: else a beginning has another state in each row. */
  causal: boolean;
  /**
   * Rows of different classes are never packed into one tree: RoPE scalings that look at the length rotate the same
   * token differently in a short and in a long row.
   */
  ropeClass: (rowLength: number) => number;
}

/** One pack, and where the rows went: `rows[i]` has its scores at `pooledOffsets[i]`, one for each pooled token. */
export interface Pack {
  batch: PackedBatch;
  /** Index into the window's rows. */
  rows: number[];
  /** [rows + 1] */
  pooledOffsets: number[];
  /** Tokens that were not computed because they were shared. */
  savedTokens: number;
}

/** Shorter common beginnings, like the first tokens of every chat template, cost more as a segment than they save. */
const MINIMUM_SHARED_TOKENS = 64;

/** Packs the rows of a window by token budget. Packs come largest first row first, each row in exactly one pack. */
export function planPacks(rows: readonly EncodedRow[], options: PackOptions): Pack[] {
  const classes = new Map<number, number[]>();
  rows.forEach((row, index) => {
    const key = options.ropeClass(row.fields.ids.length);
    const members = classes.get(key);
    if (members) members.push(index);
    else classes.set(key, [index]);
  });
  return [...classes.values()].flatMap((members) => packClass(rows, members, options));
}

function packClass(rows: readonly EncodedRow[], members: number[], options: PackOptions): Pack[] {
  const shares = options.sharePrefixes && options.causal;
  const minimum = shares ? MINIMUM_SHARED_TOKENS : Infinity;
  const ordered = shares
    ? members.toSorted((a, b) => compareRows(rows[a]!.fields, rows[b]!.fields) || a - b)
    : members;
  const packs: Pack[] = [];
  let current: number[] = [];
  let tokens = 0;
  for (const row of ordered) {
    const { fields } = rows[row]!;
    const { length } = fields.ids;
    const shared = current.length > 0 ? commonPrefixLength(rows[current.at(-1)!]!.fields, fields) : 0;
    const added = shared >= minimum ? length - shared : length;
    if (current.length > 0 && tokens + added > options.budget) {
      packs.push(buildPack(rows, current, minimum));
      current = [];
      tokens = 0;
    }
    // The first row of a pack shares with nothing.
    tokens += current.length === 0 ? length : added;
    current.push(row);
  }
  if (current.length > 0) packs.push(buildPack(rows, current, minimum));
  return packs;
}

function buildPack(rows: readonly EncodedRow[], members: number[], minimum: number): Pack {
  const all = members.map((row) => rows[row]!.fields);
  const tree = buildPrefixTree(all, minimum);
  const starts = segmentStarts(tree);
  const tokens = starts.at(-1)!;
  const batch: PackedBatch = {
    fields: joinFields(
      Object.keys(all[0]!),
      tree.nodes.map(({ row, start, end }) => sliceFields(all[row]!, start, end)),
    ),
    lengths: Int32Array.from(tree.nodes, (node) => node.end - node.start),
    parents: Int32Array.from(tree.nodes, (node) => node.parent),
    rowLengths: Int32Array.from(tree.nodes, (node) => all[node.row]!.ids.length),
    pooled: new Int32Array(0),
    gates: new Int32Array(0),
  };

  const pooled: number[] = [];
  const gates: number[] = [];
  const pooledOffsets = [0];
  members.forEach((row, i) => {
    const locate = tokenLocator(tree, starts, tree.leaves[i]!);
    pooled.push(...rows[row]!.pooled.map(locate));
    gates.push(...rows[row]!.gates.map(locate));
    pooledOffsets.push(pooled.length);
  });
  batch.pooled = Int32Array.from(pooled);
  batch.gates = Int32Array.from(gates);
  const rowTokens = all.reduce((sum, { ids }) => sum + ids.length, 0);
  return { batch, rows: members, pooledOffsets, savedTokens: rowTokens - tokens };
}

/** [segments + 1] where each segment starts in the pack; the last entry is the number of tokens. */
function segmentStarts(tree: PrefixTree): number[] {
  const starts = [0];
  for (const node of tree.nodes) starts.push(starts.at(-1)! + node.end - node.start);
  return starts;
}

/** Turns a position within a row into an index into the pack, by walking up from the row's last segment. */
function tokenLocator(tree: PrefixTree, starts: number[], leaf: number): (position: number) => number {
  return (position) => {
    let node = leaf;
    while (position < tree.nodes[node]!.start) node = tree.nodes[node]!.parent;
    return starts[node]! + position - tree.nodes[node]!.start;
  };
}
