import { leadingSpace, trailingSpace, WORD } from "./characters.js";
import type { Model } from "./models/model.js";
import { requireLength, type Normalizer } from "./normalizers.js";
import { characterLength, slice, type Piece } from "./piece.js";
import { Trie } from "./trie.js";

/** A token that is found in the text before the model sees it. */
export interface AddedToken {
  content: string;
  /** Whether it counts only where no other letter touches it. */
  single_word: boolean;
  /** Whether the white space before it belongs to it. */
  lstrip: boolean;
  rstrip: boolean;
  /** Whether it is looked for in the normalized text, in its own normalized form. */
  normalized: boolean;
  special: boolean;
}

/** The tokens that stand beside those of the model, and where they are in a text. */
export class AddedVocabulary {
  /** By content. */
  readonly #tokens = new Map<string, { id: number; token: AddedToken }>();
  #next: number;
  #asGiven = new Trie();
  #asNormalized = new Trie();
  /** By id. */
  readonly #flags = new Map<number, AddedToken>();

  constructor(
    private readonly model: Model,
    private readonly normalize: Normalizer,
  ) {
    this.#next = model.size;
  }

  /** A token that the vocabulary has keeps its id, others get the next free one; what is said of it last counts. */
  add(tokens: readonly AddedToken[]): void {
    for (const token of tokens) {
      if (token.content === "") continue;
      const id = this.idOf(token.content) ?? this.#next;
      this.#next = Math.max(this.#next, id + 1);
      this.#tokens.set(token.content, { id, token });
    }
    this.#index();
  }

  idOf(content: string): number | undefined {
    return this.#tokens.get(content)?.id ?? this.model.idOf(content);
  }

  /** The added tokens of a text as ids, and what is between them, normalized. */
  extract(text: string): (number | Piece)[] {
    const whole = { text, head: text === "" ? 0 : characterLength(text, 0) };
    let length = 0;
    return this.#find(whole, this.#asGiven).flatMap((part) => {
      if (typeof part === "number") return part;
      const normalized = this.normalize(part);
      requireLength((length += normalized.text.length));
      return this.#find(normalized, this.#asNormalized);
    });
  }

  #index(): void {
    this.#asGiven = new Trie();
    this.#asNormalized = new Trie();
    const all = [...this.#tokens.values()];
    // Where two are looked for as the same text, the first is found, and special ones come first.
    const inOrder = [
      ...all.filter(({ token }) => token.special),
      ...all.filter(({ token }) => !token.special),
    ];
    for (const { id, token } of inOrder) {
      this.#flags.set(id, token);
      if (!token.normalized) {
        this.#asGiven.add(token.content, id);
        continue;
      }
      const { text } = this.normalize({ text: token.content, head: token.content.length });
      if (text === "") {
        throw new Error(
          `nothing is left of the added token ${JSON.stringify(token.content)} when it is normalized`,
        );
      }
      this.#asNormalized.add(text, id);
    }
  }

  #find(piece: Piece, trie: Trie): (number | Piece)[] {
    const { text } = piece;
    const parts: (number | Piece)[] = [];
    let covered = 0;
    const before = (end: number) => {
      if (covered < end) parts.push(slice(piece, covered, end));
    };
    for (let place = 0; place < text.length;) {
      let end = 0;
      let id = -1;
      // The longest token that begins here.
      trie.find(text, place, (matchEnd, match) => {
        end = matchEnd;
        id = match;
      });
      if (id === -1) {
        place++;
        continue;
      }
      const token = this.#flags.get(id)!;
      let start = place;
      place = end;
      if (token.single_word && touchesWord(text, start, end)) continue;
      // The token before may have taken this one, or the white space before it, as its own white space.
      if (token.lstrip) start = Math.max(trailingSpace(text.slice(0, start)), covered);
      if (token.rstrip) end += leadingSpace(text.slice(end));
      before(start);
      if (start < end) parts.push(id);
      covered = end;
    }
    before(text.length);
    return parts;
  }
}

const STARTS_WITH_WORD = new RegExp(`^[${WORD}]`, "u");
const ENDS_WITH_WORD = new RegExp(`[${WORD}]$`, "u");

function touchesWord(text: string, start: number, end: number): boolean {
  return (
    ENDS_WITH_WORD.test(text.slice(Math.max(0, start - 2), start)) ||
    STARTS_WITH_WORD.test(text.slice(end, end + 2))
  );
}
