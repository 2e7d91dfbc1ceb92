import { RewardModelScoreError } from "../errors.js";

const UNITS: Record<string, number> = {
  gib: 2 ** 30,
  mib: 2 ** 20,
  kib: 2 ** 10,
  gb: 10 ** 9,
  mb: 10 ** 6,
  kb: 10 ** 3,
};

/**
 * Bytes from a number of bytes or a text like "10GiB", "2.5GB". As accelerate reads it: units in any case, a decimal
 * unit that ends in a lower-case b means bits, fractions of a byte are dropped.
 *
 * @throws ERR_INVALID_OPTION
 */
export function parseMemorySize(size: number | string): number {
  if (typeof size === "number") {
    if (Number.isInteger(size) && size >= 0) return size;
    throw invalid(size);
  }
  const match = /^\s*(\d+(?:\.\d*)?|\.\d+)\s*([kmg]i?b)$/i.exec(size);
  if (!match) throw invalid(size);
  const [, amount, unit] = match;
  const bytes = Math.trunc(Number(amount) * UNITS[unit!.toLowerCase()]!);
  const isBits = unit!.length === 2 && unit!.endsWith("b");
  return isBits ? Math.floor(bytes / 8) : bytes;
}

function invalid(size: number | string): RewardModelScoreError {
  return new RewardModelScoreError(
    "ERR_INVALID_OPTION",
    `maxMemory: ${JSON.stringify(size)} is no memory size. Use a number of bytes or a text like "10GiB" or "5.0GB".`,
    { option: "maxMemory" },
  );
}
