/** One line of a data set: columns by name. Only the mapped columns are looked at; the rest passes through. */
export type Row = Record<string, unknown>;

/** A row whose type is not spelled out. Unlike `Row`, it takes what an interface describes. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- that is what makes the difference
export type AnyRow = Record<string, any>;

/** What JSON can hold. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** One turn. Further keys (`name`, `tool_calls`, …) reach the chat template as they are. */
export interface Message {
  /** "user", "assistant", "system", or what else the chat template knows. */
  role: string;
  /** Text, or parts like `{ type: "text", text }`; null or absent only beside `tool_calls`. */
  content?: string | ContentPart[] | null;
  [key: string]: Json | undefined;
}

/** A part of a message's content: `{ type: "text", text: "…" }`, or what else the chat template knows. */
export interface ContentPart {
  /** "text", … */
  type: string;
  [key: string]: Json;
}

/** What `inputFormat: "pair"` encodes as a batched tokenizer([question], [answer]): an empty answer is one. */
export interface Pair {
  question: string;
  answer: string;
}

/** What a row asks to be scored: messages for `inputFormat: "chat"`, a pair for `"pair"`. */
export type RowInput = Message[] | Pair;

export type InputFormat = "chat" | "pair";
