// Results as text.
import { cpus, totalmem } from "node:os";

export function machine() {
  return `${cpus().length} cores of ${cpus()[0].model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
}

export function title({ shape, dtype, rows, shortest, longest, tokens, runs, ceiling, versions }) {
  const used = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return (
    `${shape}, ${dtype}, ${rows} rows of ${shortest}–${longest} tokens (${tokens} in all), medians of ${runs} runs, ` +
    `ceiling ${Math.round(ceiling)} GFLOP/s (${used.join(", ")})`
  );
}

/** A Markdown table with one line a contender. */
export function table({ contenders }) {
  const percent = (share) => `${Math.round(100 * share)} %`;
  const megabytes = (bytes) => (bytes === undefined ? "" : Math.round(bytes / 1e6).toString());
  const lines = contenders.map((each) => [
    each.name,
    Math.round(each.tokensPerSecond),
    Math.round(each.gflops),
    percent(each.ofCeiling),
    percent(each.ofCeilingWithAttention),
    `${each.seconds.toFixed(2)} (${each.fastest.toFixed(2)}–${each.slowest.toFixed(2)})`,
    megabytes(each.peakBytes),
    megabytes(each.peakBytesOverLoaded),
    each.savedTokens ?? "",
  ]);
  const header = [
    "contender",
    "tokens/s",
    "GFLOP/s",
    "of the ceiling",
    "with attention",
    "seconds (min–max)",
    "peak MB",
    "over loaded MB",
    "tokens saved",
  ];
  return [header, header.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
