import type { Placeable } from "../device-map/placeable.js";
import { placeModel, type PlacedModel } from "../device-map/place-model.js";
import { readPlacement } from "../device-map/request.js";
import { readDeviceEnvironment } from "../env.js";
import { findLibtorch } from "../libtorch/find.js";
import type { NativeBinding } from "../native/binding.js";
import { listDevices } from "../device-map/list-devices.js";
import { loadBinding } from "../native/load.js";
import type { ResolvedOptions } from "../options.js";
import type { InputFormat } from "../rows/types.js";
import type { OpenModel, ScoringModel } from "../scoring/scoring-model.js";
import type { TokenizerPool } from "../tokenizer/tokenizer.js";
import { findFiles, findTokenizer } from "./find-files.js";
import type { OpenOptions } from "./load-progress.js";
import { inputFormatOf, openTokenizer } from "./open-tokenizer.js";
import { activationOf } from "./activation.js";
import { normalizationOf } from "./normalization.js";
import { openSource } from "./sources/open-source.js";
import type { ModelSource } from "./sources/source.js";

/** Finds or downloads the model and its tokenizer, and loads both. */
export async function openModel(options: ResolvedOptions, open: OpenOptions): Promise<OpenModel> {
  const { signal, onProgress } = open;
  const warn = (messages: readonly string[]) => {
    for (const message of messages) onProgress?.({ phase: "warning", message });
  };
  // First of all: without an engine that loads, gigabytes would be fetched in vain.
  const binding = await loadBinding((await findLibtorch(options.libtorch)).root);
  const files = await findFiles(options, open);
  signal?.throwIfAborted();
  const source = await openSource(binding, files);
  let tokenizer: TokenizerPool | undefined;
  let placed: PlacedModel | undefined;
  try {
    const directory = await findTokenizer(options, files, open);
    tokenizer = await openTokenizer(options, directory, source.inputs, signal);
    const { unusedTensors, bytes: total } = source;
    if (unusedTensors.length > 0) onProgress?.({ phase: "unused", tensors: unusedTensors });
    const normalization = normalizationOf(options, source);
    const activation = activationOf(options, source);
    warn([...doubtsAbout(options, source), ...tokenizer.warnings, ...source.warnings]);
    if (normalization) onProgress?.({ phase: "normalization", ...normalization });
    if (activation) onProgress?.({ phase: "activation", activation });
    placed = await place(binding, source.placeable(options.torchDtype), options, signal);
    warn(placed.assignment.warnings);
    const model = await source.open(placed.assignment, options, tokenizer, {
      signal,
      onProgress: (fraction) =>
        onProgress?.({ phase: "weights", fraction, loaded: Math.round(fraction * total), total }),
    });
    const inputFormat = inputFormatOf(options, source.inputs);
    const applied = { ...(normalization && { normalization }), ...(activation && { activation }) };
    const scoreShape = { ...model.scoreShape, ...applied };
    return await ready({ ...model, scoreShape }, inputFormat, tokenizer, placed.release, signal);
  } catch (error) {
    await Promise.all([tokenizer?.close(), placed?.release()]);
    throw error;
  } finally {
    source.close();
  }
}

function doubtsAbout(
  { maxLength, truncation, normalize }: ResolvedOptions,
  { statistics }: ModelSource,
): string[] {
  const doubts: string[] = [];
  if (maxLength !== null && !truncation) {
    doubts.push(
      `maxLength (${maxLength}) has no effect without truncation. Set truncation: true, or leave maxLength out.`,
    );
  }
  if (statistics && normalize === "none") {
    const { mean, std } = statistics;
    doubts.push(
      `config.json has the mean ${mean} and the deviation ${std} of the rewards in training (OpenRLHF's normalize_reward). ` +
        'Scores are raw, as transformers has them: normalize: "model" (--normalize model) makes them (score - mean) / std.',
    );
  }
  return doubts;
}

async function ready(
  model: ScoringModel,
  inputFormat: InputFormat,
  tokenizer: TokenizerPool,
  release: () => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<OpenModel> {
  if (signal?.aborted) {
    await model.native.dispose();
    signal.throwIfAborted();
  }
  return {
    ...model,
    inputFormat,
    encode: (inputs, abort) => tokenizer.encode(inputs, abort),
    hurry: () => tokenizer.hurry(),
    close: async () => {
      await Promise.all([model.native.dispose().finally(release), tokenizer.close()]);
    },
  };
}

function place(
  binding: NativeBinding,
  model: Placeable,
  options: ResolvedOptions,
  signal: AbortSignal | undefined,
): Promise<PlacedModel> {
  const { localRank, cudaVisibleDevices } = readDeviceEnvironment();
  const surroundings = { devices: () => listDevices(binding), cudaVisibleDevices };
  return placeModel(readPlacement(options, localRank), model, options, surroundings, signal);
}
