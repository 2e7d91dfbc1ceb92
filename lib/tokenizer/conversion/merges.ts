type Pair = [left: string, right: string];

/**
 * The merges of a BPE vocabulary of SentencePiece, which has scores of pieces and no merges: each way to cut a piece in
 * two others is one. The piece with the highest score comes first; of equal scores the pair with the longest first part,
 * then with the longest second one, in characters.
 */
export function mergesOf(scores: ReadonlyMap<string, number>): Pair[] {
  const pieces = [...scores].sort(([, a], [, b]) => b - a);
  const merges: Pair[] = [];
  for (let start = 0, end = 0; start < pieces.length; start = end) {
    const first = merges.length;
    for (; end < pieces.length && pieces[end]![1] === pieces[start]![1]; end++) {
      addCuts(pieces[end]![0], scores, merges);
    }
    if (end === start + 1) continue;
    for (const pair of merges.splice(first).sort(byLengths)) merges.push(pair);
  }
  return merges;
}

/** The longest first part first. */
function addCuts(piece: string, scores: ReadonlyMap<string, number>, pairs: Pair[]): void {
  for (let at = piece.length - 1; at > 0; at--) {
    if (isInsideCharacter(piece, at)) continue;
    const left = piece.slice(0, at);
    if (!scores.has(left)) continue;
    const right = piece.slice(at);
    if (scores.has(right)) pairs.push([left, right]);
  }
}

function isInsideCharacter(text: string, at: number): boolean {
  return text.codePointAt(at - 1)! > 0xffff;
}

function byLengths(a: Pair, b: Pair): number {
  return characters(b[0]) - characters(a[0]) || characters(b[1]) - characters(a[1]);
}

function characters(text: string): number {
  return [...text].length;
}
