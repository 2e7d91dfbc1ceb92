import type { Architecture } from "../../architectures/architecture.js";
import type { PositionTable } from "../../architectures/family.js";
import { RewardModelScoreError } from "../../errors.js";
import type { TokenFields } from "../../tokenizer/token-fields.js";

type Tables = Pick<Architecture, "vocabularySize" | "tokenFields" | "positionTable">;

/**
 * The row, of which every token has its row in each of the model's tables.
 *
 * @throws ERR_INVALID_ROWS
 */
export function requireFit(
  fields: TokenFields,
  { vocabularySize, tokenFields, positionTable }: Tables,
): TokenFields {
  for (const [name, size] of Object.entries({ ids: vocabularySize, ...tokenFields })) {
    const value = fields[name]!.find((candidate) => candidate >= size);
    if (value === undefined) continue;
    const where =
      name === "ids"
        ? `Token ${value} is outside the model's vocabulary of ${size}`
        : `A token has ${value} among its ${name}, of which the model has ${size}`;
    throw doesNotFit(`${where}: the tokenizer belongs to another model.`);
  }
  if (positionTable) requirePositions(fields.ids, positionTable);
  return fields;
}

function requirePositions(ids: Int32Array, { rows, countsFrom }: PositionTable): void {
  const taken = countsFrom === undefined ? ids.length : ids.filter((id) => id !== countsFrom).length;
  const room = countsFrom === undefined ? rows : rows - countsFrom - 1;
  if (taken <= room) return;
  throw doesNotFit(
    `The row has ${taken} tokens, and the model's table of positions ends at ${room}. Shorten the row, or set ` +
      `truncation: true and a maxLength of at most ${room}.`,
  );
}

function doesNotFit(message: string): RewardModelScoreError<"ERR_INVALID_ROWS"> {
  return new RewardModelScoreError("ERR_INVALID_ROWS", message, {
    problems: [{ index: 0, path: "", message }],
  });
}
