import { resolve } from "node:path";
import type { Architecture } from "../architectures/architecture.js";
import { fieldInputs, packingProgram, poolingProgram } from "../architectures/padded-input.js";
import { findChatTemplate } from "../tokenizer/find-template.js";
import { RewardModelScoreError } from "../errors.js";
import { findLibtorch } from "../libtorch/find.js";
import { loadBinding } from "../native/load.js";
import type { ResolvedOptions } from "../options.js";
import { readTokenizerFiles } from "../tokenizer/files.js";
import { computeDtype } from "./compute-dtype.js";
import { findFiles, tokenizerOf } from "./find-files.js";
import type { OpenOptions } from "./load-progress.js";
import { inputFormatOf, openTokenizer } from "./open-tokenizer.js";
import { recordFiles } from "./sources/exported-program.js";
import { openSource } from "./sources/open-source.js";
import { poolingIds, poolingRule, ProgramSource } from "./sources/program.js";

/**
 * Saves the built-in program of a model with its weights as a TorchScript archive: `forward(input_ids int64 [B, T],
 * attention_mask int64 [B, T], token_type_ids int64 [B, T] where the model reads them)` → float32 [B, labels]. It is plain TorchScript that `torch.jit.load` runs anywhere, and
 * this package knows it again (`openExportedProgram`). The model's config.json and chat template are inside, the tokenizer
 * is not.
 *
 * The file appears under its name when it is complete.
 */
export async function exportModel(
  options: ResolvedOptions,
  output: string,
  open: OpenOptions,
): Promise<void> {
  const binding = await loadBinding((await findLibtorch(options.libtorch)).root);
  const files = await findFiles(options, open);
  const source = await openSource(binding, files);
  if (!(source instanceof ProgramSource)) {
    source.close();
    throw new RewardModelScoreError(
      "ERR_NOT_SUPPORTED",
      `${files.archive} is a TorchScript archive that something else exported; there is nothing to export.`,
      { feature: "export of an archive" },
    );
  }
  const { architecture, spec, checkpoint } = source;
  try {
    const tokenizer = await openTokenizer(options, tokenizerOf(files), architecture, open.signal);
    const idsOf = await poolingIds(architecture, tokenizer, open.signal).finally(() => tokenizer.close());
    const rule = poolingRule(architecture.pooling, options.pooling);
    open.signal?.throwIfAborted();
    // Who asks for a type gets it: the archive may be meant for another device.
    const { torchDtype } = options;
    const dtype = torchDtype === "auto" ? computeDtype("auto", architecture.dtype, "cpu") : torchDtype;
    const extraFiles = {
      ...recordFiles(source, dtype, rule),
      ...(await templateFile(tokenizerOf(files), options, architecture)),
    };
    const program = { ...spec, extraFiles };
    await binding.exportProgram(program, {
      checkpoint,
      dtype,
      output: resolve(output),
      pooling: poolingProgram(rule, idsOf),
      packing: packingProgram(),
      fields: fieldInputs(architecture.tokenFields),
    });
  } finally {
    source.close();
  }
}

async function templateFile(
  directory: string,
  options: ResolvedOptions,
  architecture: Architecture,
): Promise<Record<string, string>> {
  if (inputFormatOf(options, architecture) === "pair") return {};
  const { config } = await readTokenizerFiles(directory);
  return { "chat_template.jinja": (await findChatTemplate(directory, config, options.chatTemplate)).source };
}
