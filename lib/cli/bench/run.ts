import { bench } from "../../bench/bench.js";
import { sampleRows, type Sample } from "../../bench/sample.js";
import { RewardModelScoreError } from "../../errors.js";
import { findLibtorch } from "../../libtorch/find.js";
import { openModel } from "../../model/open-model.js";
import { loadBinding } from "../../native/load.js";
import { resolveOptions } from "../../options.js";
import { resolveColumns } from "../../rows/columns.js";
import { describeBench } from "./report.js";
import { interruptible } from "../interrupt.js";
import { reportLoading } from "../load-report.js";
import { Progress } from "../progress.js";
import type { ModelFlags } from "../model-options.js";
import { readModelOptions } from "../read-model-options.js";
import { requireLibtorch } from "../require-libtorch.js";
import { openRows, readRows, type InputRow } from "../score/rows.js";

export type BenchFlags = ModelFlags & { sample: number; seconds: number; json?: boolean; yes?: boolean };

export async function runBench(
  path: string,
  { sample: size, seconds, json, yes, ...flags }: BenchFlags,
): Promise<void> {
  const options = resolveOptions(await readModelOptions(flags));
  const { inputMappings, outputMappings, attributes, libtorch, threads = 0 } = options;
  const columns = resolveColumns(inputMappings, outputMappings, attributes);
  await requireLibtorch(libtorch, yes ?? false);
  const progress = new Progress();
  try {
    const result = await interruptible(async (signal) => {
      const sample = await readSample(path, size, signal);
      const model = await openModel(options, { signal, onProgress: (news) => reportLoading(progress, news) });
      try {
        const binding = await loadBinding((await findLibtorch(libtorch)).root);
        return await bench(binding, model, sample, {
          columns,
          threads,
          maxBatchTokens: flags.maxBatchTokens,
          seconds,
          signal,
          onProgress: (fraction, budget) =>
            progress.update(fraction, () => `measuring --max-batch-tokens ${budget}`),
        });
      } finally {
        await model.close();
      }
    });
    progress.stop();
    process.stdout.write(json ? `${JSON.stringify(result, undefined, 2)}\n` : describeBench(result));
  } finally {
    progress.stop();
  }
}

async function readSample(path: string, size: number, signal: AbortSignal): Promise<Sample<unknown>> {
  const input = await openRows(path);
  const stop = () => input.close(signal.reason as Error);
  signal.addEventListener("abort", stop, { once: true });
  try {
    const { rows, total } = await sampleRows(readRows(input), size);
    requireRows(path, rows);
    return { rows: rows.map(({ row }) => row), total };
  } finally {
    signal.removeEventListener("abort", stop);
    input.close();
  }
}

/** Lines that are no rows have errors of their own; bench counts them among those that cannot be scored. */
function requireRows(path: string, rows: readonly InputRow[]): void {
  if (!rows.every(({ malformed }) => malformed !== undefined)) return;
  const message = rows.length === 0 ? `${path} has no rows.` : `${path}: ${rows[0]!.malformed}.`;
  throw new RewardModelScoreError("ERR_INVALID_ROWS", message, {
    problems: [{ index: 0, path: "", message }],
  });
}
