import type { ResolvedOptions } from "../options.js";
import type { InputFormat } from "../rows/types.js";
import type { TokenField } from "../tokenizer/token-fields.js";
import { TokenizerPool } from "../tokenizer/tokenizer.js";
import type { ModelInputs } from "./sources/source.js";

/** What rows are read as: what somebody says, else what the model was trained on, where it tells. */
export function inputFormatOf({ inputFormat }: ResolvedOptions, inputs: ModelInputs): InputFormat {
  return inputFormat ?? inputs.inputFormat ?? "chat";
}

/** The tokenizer in its worker threads, as the options and the model want it. */
export function openTokenizer(
  options: ResolvedOptions,
  directory: string,
  inputs: ModelInputs,
  signal: AbortSignal | undefined,
): Promise<TokenizerPool> {
  const { chatTemplate, truncation, maxLength } = options;
  const { finalTokenId: appendTokenId, maxPositions: positions, tokenFields = {} } = inputs;
  return TokenizerPool.open({
    directory,
    inputFormat: inputFormatOf(options, inputs),
    truncation,
    maxLength,
    tokenFields: Object.keys(tokenFields) as TokenField[],
    signal,
    ...(chatTemplate !== undefined && { chatTemplate }),
    ...(appendTokenId !== undefined && { appendTokenId }),
    ...(positions !== undefined && { positions }),
  });
}
