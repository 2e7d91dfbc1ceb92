import type { BenchResult } from "../../bench/bench.js";
import { formatBytes, formatDuration } from "../../io/format.js";
import { align } from "../table.js";

/** What `bench` prints. */
export function describeBench(result: BenchResult): string {
  const { rows, lengths, budgets, recommended, ceilingFlopsPerSecond: ceiling } = result;
  const count = (value: number) => Math.round(value).toLocaleString("en");
  const gflops = (value: number | undefined) => (value === undefined ? "" : count(value / 1e9));
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  const share = (flops: number | undefined) =>
    flops === undefined || ceiling === undefined ? "" : percent(flops / ceiling);
  const doubts = [
    ...(rows.unreadable > 0 ? [`${count(rows.unreadable)} of them cannot be scored`] : []),
    ...(rows.truncated > 0 ? [`${count(rows.truncated)} are truncated`] : []),
  ];
  const table = align([
    ["max-batch-tokens", "tokens/s", "rows/s", "GFLOP/s", "of the ceiling", "shared", "memory"],
    ...budgets.map(({ maxBatchTokens, tokensPerSecond, flopsPerSecond, saved, peakBytes }) => [
      count(maxBatchTokens) +
        (budgets.length > 1 && maxBatchTokens === recommended.maxBatchTokens ? " *" : ""),
      count(tokensPerSecond),
      (tokensPerSecond / lengths.mean).toFixed(1),
      gflops(flopsPerSecond),
      share(flopsPerSecond),
      percent(saved),
      formatBytes(peakBytes),
    ]),
  ]);
  const lines = [
    `${count(rows.total)} rows, ${count(rows.sampled)} sampled${doubts.map((doubt) => `, ${doubt}`).join("")}`,
    `tokens of a row: ${count(lengths.min)} to ${count(lengths.max)}, median ${count(lengths.median)}, ` +
      `mean ${count(lengths.mean)}, 95 % up to ${count(lengths.p95)}`,
    `tokenization: ${count(result.tokenizedPerSecond)} tokens/s` +
      (ceiling === undefined ? "" : `; ceiling of matrix products: ${gflops(ceiling)} GFLOP/s`),
    "",
    ...table,
    "",
    `${budgets.length > 1 ? "Use" : "With"} --max-batch-tokens ${recommended.maxBatchTokens}` +
      `${budgets.length > 1 ? ":" : ","} all ${count(rows.total)} rows take about ` +
      `${formatDuration(Math.max(0.1, result.secondsForAll))}.`,
  ];
  return lines.map((line) => `${line}\n`).join("");
}
