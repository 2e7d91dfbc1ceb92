// Useful tokens/s of a TorchScript archive: this package's engine against Python's torch.jit on the same libtorch, each
// in its own process, several times, in turn; the table shows medians. Both get the rows sorted by length, right-padded.
//
//   node scripts/benchmark/archive.mjs [--rows 32] [--min 64] [--max 512] [--batch 1,4,8] [--runs 3] [--dtype float32]
//     [--python /path/to/python] [--work folder that keeps the archive]
//
// Python with torch, transformers and safetensors makes the archive (random weights, nothing is downloaded).
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { makeRows, measure, median } from "./measure.mjs";
import { machine } from "./report.mjs";

const { values: args } = parseArgs({
  options: {
    shape: { type: "string", default: "qwen3-0.6b" },
    dtype: { type: "string", default: "float32" },
    rows: { type: "string", default: "32" },
    min: { type: "string", default: "64" },
    max: { type: "string", default: "512" },
    batch: { type: "string", default: "1,4,8" },
    runs: { type: "string", default: "3" },
    python: { type: "string", default: "python3" },
    work: { type: "string" },
  },
});
const here = fileURLToPath(new URL(".", import.meta.url));
const work = args.work ?? mkdtempSync(join(tmpdir(), "reward-model-score-benchmark-"));
mkdirSync(work, { recursive: true });
if (args.work === undefined) process.on("exit", () => rmSync(work, { recursive: true, force: true }));

const archive = join(work, `${args.shape}-${args.dtype}.pt`);
if (!existsSync(archive)) {
  console.error(`Making a random ${args.shape} archive in ${args.dtype} …`);
  const checkpoint = join(work, "checkpoint");
  execFileSync(args.python, [
    join(here, "make_checkpoint.py"),
    args.shape,
    checkpoint,
    "--dtype",
    args.dtype,
  ]);
  execFileSync(args.python, [join(here, "make_archive.py"), checkpoint, archive], { stdio: "ignore" });
  rmSync(checkpoint, { recursive: true });
}
const [count, min, max] = [Number(args.rows), Number(args.min), Number(args.max)];
const rows = makeRows({ count, min, max }, 20_001).sort((a, b) => a.length - b.length);
const rowsFile = join(work, "rows.json");
writeFileSync(rowsFile, JSON.stringify(rows));

const contenders = args.batch.split(",").flatMap((batch) => [
  {
    name: `this package, batch ${batch}`,
    ours: true,
    command: [process.execPath, join(here, "contenders/archive.mjs"), archive, rowsFile, "--batch", batch],
  },
  {
    name: `torch.jit, batch ${batch}`,
    ours: false,
    command: [args.python, join(here, "contenders/archive_jit.py"), archive, rowsFile, "--batch", batch],
  },
  {
    name: `torch.jit frozen, batch ${batch}`,
    ours: false,
    command: [
      args.python,
      join(here, "contenders/archive_jit.py"),
      archive,
      rowsFile,
      "--batch",
      batch,
      "--freeze",
    ],
  },
]);
for (const contender of contenders) contender.runs = [];
for (let run = 0; run < Number(args.runs); run++) {
  for (const contender of contenders) {
    console.error(`run ${run + 1} of ${args.runs}: ${contender.name}`);
    contender.runs.push(measure(contender.command));
  }
}
report();

function report() {
  const tokens = rows.reduce((sum, row) => sum + row.length, 0);
  const reference = contenders.find(({ ours }) => !ours).runs[0].scores;
  const rate = ({ runs }) => tokens / median(runs.map(({ seconds }) => seconds));
  console.log(
    `${args.shape} archive, ${args.dtype}, ${rows.length} rows of ${args.min}–${args.max} tokens (${tokens} in all), ${args.runs} runs, medians\n` +
      `${machine()}; ` +
      JSON.stringify(Object.assign({}, ...contenders.map(({ runs }) => runs[0].versions))),
  );
  console.table(
    contenders.map((contender) => {
      const seconds = contender.runs.map((run) => run.seconds);
      return {
        contender: contender.name,
        threads: contender.runs[0].threads,
        "tokens/s": Math.round(rate(contender)),
        "seconds (min–max)": `${median(seconds).toFixed(2)} (${Math.min(...seconds).toFixed(2)}–${Math.max(...seconds).toFixed(2)})`,
        "peak MB": Math.round(Math.max(...contender.runs.map(({ peakRss }) => peakRss)) / 1e6),
        "largest difference": Math.max(
          ...contender.runs[0].scores.map((score, index) => Math.abs(score - reference[index])),
        ).toExponential(1),
      };
    }),
  );
  const best = (ours) => Math.max(...contenders.filter((contender) => contender.ours === ours).map(rate));
  console.log(`best of this package / best of torch.jit: ${(best(true) / best(false)).toFixed(2)}`);
}
