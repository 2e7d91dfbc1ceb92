/** Ids are 32-bit integers in everything that follows. */
export function isTokenId(id: unknown): id is number {
  return Number.isInteger(id) && (id as number) >= 0 && (id as number) < 2 ** 31;
}

/** Throws an Error that names the token whose id is none, or another token's, by what has been seen of the place. */
export function checkId(
  id: unknown,
  token: string,
  place: string,
  owners: Map<number, string>,
): asserts id is number {
  if (!isTokenId(id)) throw new Error(notAnId(id, token, place));
  const owner = owners.get(id);
  if (owner !== undefined && owner !== token) throw new Error(takenTwice(id, owner, token, place));
  owners.set(id, token);
}

export function notAnId(id: unknown, token: string, place: string): string {
  return `${place} gives the token ${JSON.stringify(token)} the id ${typeof id === "number" ? id : JSON.stringify(id)}, which is no integer from 0 to ${2 ** 31 - 1}; the file is damaged, so fetch it again`;
}

export function takenTwice(id: number, first: string, second: string, place: string): string {
  return `${place} gives the id ${id} to two tokens, ${JSON.stringify(first)} and ${JSON.stringify(second)}; the file is damaged, so fetch it again`;
}
