import type { ProgramSpec, StageSpec } from "../native/binding.js";

/**
 * A stage of a built-in program with what the engine need not know: what it stands for in transformers' model, whose
 * modules a device map names. Whoever builds the stage says it; nobody guesses from names.
 */
export interface Stage extends StageSpec {
  /** A residual connection keeps it on one device. */
  block: boolean;
  /** Name of the module, where it is not the stage's: kinds of rotary embedding share one. */
  module?: string;
  /** The module is registered behind all others of the trunk, although programs compute it before them. */
  registeredLast?: true;
  /**
   * The modules beside it in the order in which they are registered, where that is not the program's, or where some of
   * them hold nothing.
   */
  siblings?: readonly string[];
  /** What the module holds beside the checkpoint's tensors. */
  buffers?: readonly StageBuffer[];
  /** Tensors of the checkpoint that have another name in the module: own name → name there. Several may be one. */
  renames?: Readonly<Record<string, string>>;
  /** How often a token meets the weights of an attribute, where it is not once: a share of experts, or several layers. */
  uses?: Readonly<Record<string, number>>;
}

/** A tensor that no checkpoint stores. */
export interface StageBuffer {
  name: string;
  numbers: number;
  dtype: "model" | "float32";
}

/** A built-in program. */
export interface Program extends ProgramSpec {
  stages: Stage[];
}
