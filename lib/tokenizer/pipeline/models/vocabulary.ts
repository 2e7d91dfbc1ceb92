import * as v from "valibot";
import { isTokenId, notAnId, takenTwice } from "../token-id.js";

export const Vocab = v.custom<object>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  "expected an object of tokens and ids",
);

/** A list that is read without a copy: some have half a million entries. */
export const List = v.custom<unknown[]>(Array.isArray, "expected a list");

/** A vocabulary from tokens to ids. Throws an Error that names the token whose id is none, or another's too. */
export function vocabulary(vocab: object, place: string): Map<string, number> {
  const ids = new Map<string, number>();
  for (const token of Object.keys(vocab)) {
    const id = (vocab as Record<string, unknown>)[token];
    if (!isTokenId(id)) throw new Error(notAnId(id, token, place));
    ids.set(token, id);
  }
  const sorted = Int32Array.from(ids.values()).sort();
  const twice = sorted.find((id, index) => index > 0 && id === sorted[index - 1]);
  if (twice !== undefined) {
    const [first, second] = [...ids.keys()].filter((token) => ids.get(token) === twice);
    throw new Error(takenTwice(twice, first!, second!, place));
  }
  return ids;
}
