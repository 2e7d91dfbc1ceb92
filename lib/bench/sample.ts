/** Rows that stand beside each other in the sample: they may share beginnings, as answers to one prompt do. */
const BLOCK = 32;

/** A sample of rows, and of how many it is one. */
export interface Sample<Row> {
  rows: Row[];
  total: number;
}

/**
 * Keeps about `size` of the rows: blocks of neighbours from everywhere in the input, in its order, all of it if there
 * are no more. Each block is as likely as any other (Vitter's algorithm R, over blocks), and the same input gives the
 * same sample.
 */
export async function sampleRows<Row>(source: AsyncIterable<Row>, size: number): Promise<Sample<Row>> {
  const places = Math.max(1, Math.floor(size / BLOCK));
  const kept: { index: number; rows: Row[] }[] = [];
  const random = generator();
  let block: Row[] = [];
  let blocks = 0;
  let total = 0;
  const keep = () => {
    const index = blocks++;
    if (index < places) return void kept.push({ index, rows: block });
    const place = Math.floor(random() * blocks);
    if (place < places) kept[place] = { index, rows: block };
  };
  for await (const row of source) {
    total++;
    block.push(row);
    if (block.length < BLOCK) continue;
    keep();
    block = [];
  }
  if (block.length > 0) keep();
  return { rows: kept.sort((a, b) => a.index - b.index).flatMap(({ rows }) => rows), total };
}

/** Numbers from 0 up to 1: a linear congruential generator with Knuth's MMIX constants. */
function generator(): () => number {
  let state = 1n;
  return () => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return Number(state >> 11n) / 2 ** 53;
  };
}
