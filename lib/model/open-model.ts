import type { Placeable } from "../device-map/placeable.js";
import { placeModel, type PlacedModel } from "../device-map/place-model.js";
import { readPlacement } from "../device-map/request.js";
import { readDeviceEnvironment } from "../env.js";
import { findLibtorch } from "../libtorch/find.js";
import type { NativeBinding } from "../native/binding.js";
import { listDevices } from "../native/devices.js";
import { loadBinding } from "../native/load.js";
import type { ResolvedOptions } from "../options.js";
import type { InputFormat } from "../rows/types.js";
import type { OpenModel, ScoringModel } from "../scoring/scoring-model.js";
import type { TokenizerPool } from "../tokenizer/tokenizer.js";
import { findFiles, findTokenizer } from "./find-files.js";
import type { OpenOptions } from "./load-progress.js";
import { inputFormatOf, openTokenizer } from "./open-tokenizer.js";
import { openSource } from "./sources/open-source.js";

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
    warn([...doubtsAbout(options), ...source.warnings]);
    placed = await place(binding, source.placeable(options.torchDtype), options, signal);
    warn(placed.assignment.warnings);
    const model = await source.open(placed.assignment, options, tokenizer, {
      signal,
      onProgress: (fraction) =>
        onProgress?.({ phase: "weights", fraction, loaded: Math.round(fraction * total), total }),
    });
    const inputFormat = inputFormatOf(options, source.inputs);
    return await ready(model, inputFormat, tokenizer, placed.release, signal);
  } catch (error) {
    await Promise.all([tokenizer?.close(), placed?.release()]);
    throw error;
  } finally {
    source.close();
  }
}

function doubtsAbout({ maxLength, truncation }: ResolvedOptions): string[] {
  if (maxLength === null || truncation) return [];
  return [
    `maxLength (${maxLength}) has no effect without truncation. Set truncation: true, or leave maxLength out.`,
  ];
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
