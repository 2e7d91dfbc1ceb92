import { readFile, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { poolingProgram } from "../architectures/pooling-program.js";
import { findChatTemplate } from "../chat/find-template.js";
import { RewardModelScoreError } from "../errors.js";
import { findLibtorch } from "../libtorch/find.js";
import { loadBinding } from "../native/load.js";
import type { ResolvedOptions } from "../options.js";
import { readTokenizerFiles } from "../tokenizer/files.js";
import { findFiles, openTokenizer, poolingIds, type OpenOptions } from "./open-model.js";
import { computeDtype, openCheckpoint, poolingRule } from "./open-program.js";

/**
 * Saves the built-in program of a model with its weights as a TorchScript archive: `forward(input_ids int64 [B, T],
 * attention_mask int64 [B, T])` → float32 [B, labels]. It is plain TorchScript that `torch.jit.load` runs anywhere; the
 * model's config.json and chat template are inside, the tokenizer is not.
 *
 * The file appears under its name when it is complete.
 */
export async function exportModel(
  options: ResolvedOptions,
  output: string,
  open: OpenOptions,
): Promise<void> {
  const libtorch = await findLibtorch(options.libtorch);
  const files = await findFiles(options, open);
  const binding = await loadBinding(libtorch.root);
  if (files.weights.length === 0) {
    throw new RewardModelScoreError(
      "ERR_NOT_SUPPORTED",
      `${files.directory} holds a TorchScript archive and no weights; there is nothing to export.`,
      { feature: "export of an archive" },
    );
  }
  const { architecture, checkpoint } = await openCheckpoint(binding, files);
  const path = resolve(output);
  const partial = `${path}.partial`;
  try {
    const tokenizer = await openTokenizer(options, files.directory, architecture);
    const idsOf = await poolingIds(architecture, tokenizer).finally(() => tokenizer.close());
    const pooling = poolingProgram(poolingRule(architecture.pooling, options.pooling), idsOf);
    open.signal?.throwIfAborted();
    const spec = { ...architecture.spec, extraFiles: await extraFiles(files.directory, options) };
    const dtype = computeDtype(options.torchDtype, architecture.dtype, "cpu");
    await binding.exportProgram(spec, { checkpoint, dtype, output: partial, pooling });
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  } finally {
    checkpoint.close();
  }
}

async function extraFiles(
  directory: string,
  { inputFormat, chatTemplate }: ResolvedOptions,
): Promise<Record<string, string>> {
  const files = { "config.json": await readFile(join(directory, "config.json"), "utf8") };
  if (inputFormat === "pair") return files;
  const { config } = await readTokenizerFiles(directory);
  return {
    ...files,
    "chat_template.jinja": (await findChatTemplate(directory, config, chatTemplate)).source,
  };
}
