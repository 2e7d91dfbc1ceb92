import type { InputFile } from "../../io/input-file.js";
import { OutputFile } from "../../io/output-file.js";
import type { RewardModelScoreOptions } from "../../options.js";
import { RewardModelScore } from "../../reward-model-score.js";
import { resolveColumns } from "../../rows/columns.js";
import { abortable } from "../../abortable.js";
import { interruptible } from "../interrupt.js";
import type { ModelFlags } from "../model-options.js";
import { readModelOptions } from "../read-model-options.js";
import { requireLibtorch } from "../require-libtorch.js";
import { EXIT } from "../report-error.js";
import { errorOf, formatRow, openRows, readRows, type InputRow } from "./rows.js";
import { ScoreReport } from "./report.js";

export type ScoreFlags = ModelFlags & { output?: string; yes?: boolean };

export async function runScore(
  path: string,
  { output: outputPath = "-", yes, ...flags }: ScoreFlags,
): Promise<void> {
  // Everything that can be wrong with the arguments shows before a model is loaded.
  const options = await readModelOptions(flags);
  const step = new RewardModelScore(options);
  const input = await openRows(path);
  const report = new ScoreReport();
  try {
    const output = await OutputFile.open(outputPath, input.stats);
    try {
      await requireLibtorch(options.libtorch, yes ?? false);
      await interruptible((signal) => score(step, options, input, output, report, signal));
      await output.commit();
    } catch (error) {
      report.stop();
      await output.abandon();
      if (output.lines > 0 && output.partial !== undefined) report.kept(output.lines, output.partial);
      throw error;
    }
  } finally {
    report.stop();
    input.close();
    await step.unload();
  }
  report.finish();
  if (report.failed > 0) process.exitCode = EXIT.incomplete;
}

async function score(
  step: RewardModelScore,
  options: RewardModelScoreOptions,
  input: InputFile,
  output: OutputFile,
  report: ScoreReport,
  signal: AbortSignal,
): Promise<void> {
  await step.load({ signal, onProgress: (progress) => report.loading(progress) });
  report.loaded();
  // Standard input may be silent for long.
  signal.addEventListener("abort", () => input.close(signal.reason as Error), { once: true });
  const columns = resolveColumns(options.inputMappings, options.outputMappings, options.attributes);
  // The step keeps the order, so the first row that is waiting is the one that comes out next.
  const waiting: InputRow[] = [];
  const rows = async function* () {
    for await (const row of readRows(input)) {
      waiting.push(row);
      report.read(row);
      yield row.row;
    }
  };
  const stream = step.stream(rows(), { signal, onProgress: (progress) => report.scoring(progress) });
  for await (const scored of stream) {
    const row = waiting.shift()!;
    const failed = scored[columns.score] === null;
    const line = formatRow(row, scored, columns);
    const written = output.write(line);
    if (written) await abortable(() => written, signal);
    report.row(row, failed ? errorOf(row, scored) : undefined);
  }
}
