import { stat } from "node:fs/promises";
import type { Architecture } from "../architectures/architecture.js";
import type { PlaceableProgram } from "../device-map/assignment.js";
import { placeModel, type PlacedModel } from "../device-map/place-model.js";
import { readPlacement } from "../device-map/request.js";
import { readDeviceEnvironment } from "../env.js";
import { RewardModelScoreError } from "../errors.js";
import type { DownloadProgress } from "../hub/progress.js";
import { resolveModel } from "../hub/resolve-model.js";
import { findLibtorch } from "../libtorch/find.js";
import type { NativeBinding } from "../native/binding.js";
import { listDevices } from "../native/devices.js";
import { loadBinding } from "../native/load.js";
import type { ResolvedOptions } from "../options.js";
import type { InputFormat } from "../rows/types.js";
import type { OpenModel, ScoringModel } from "../scoring/scoring-model.js";
import { TokenizerPool } from "../tokenizer/tokenizer.js";
import { isLocal, locateModel, type ModelFiles } from "./locate.js";
import { openArchive, placeableArchive } from "./open-archive.js";
import { openExportedProgram } from "./exported-program.js";
import { openCheckpoint, openProgram, placeableProgram, type ProgramSource } from "./open-program.js";

/**
 * News of `load`: bytes that were downloaded, then, once, the checkpoint's tensors that no program reads if there are
 * any, then what is doubtful about the options, the score and where the model goes, then the share of the weights that
 * is in place (0 to 1), also in bytes of their files.
 */
export type LoadProgress =
  | ({ phase: "download" } & DownloadProgress)
  | { phase: "unused"; tensors: readonly string[] }
  | { phase: "warning"; message: string }
  | { phase: "weights"; fraction: number; loaded: number; total: number };

export interface OpenOptions {
  signal: AbortSignal | undefined;
  onProgress: ((progress: LoadProgress) => void) | undefined;
}

/** Finds or downloads the model and its tokenizer, and loads both. */
export async function openModel(options: ResolvedOptions, open: OpenOptions): Promise<OpenModel> {
  const { signal, onProgress } = open;
  const libtorch = await findLibtorch(options.libtorch);
  const files = await findFiles(options, open);
  signal?.throwIfAborted();
  const binding = await loadBinding(libtorch.root);
  const source = await openProgramSource(binding, files);
  let tokenizer: TokenizerPool | undefined;
  let placed: PlacedModel | undefined;
  try {
    tokenizer = await openTokenizer(
      options,
      await tokenizerDirectory(options, files, open),
      source?.architecture,
      signal,
    );
    const unused = source?.architecture.unusedTensors ?? [];
    if (unused.length > 0) onProgress?.({ phase: "unused", tensors: unused });
    const doubts = [...doubtsAbout(options), ...(source?.architecture.warnings ?? [])];
    for (const message of doubts) onProgress?.({ phase: "warning", message });
    const program = source
      ? placeableProgram(source, options.torchDtype, binding)
      : await placeableArchive(binding, files.archive!, options.torchDtype);
    placed = await place(binding, program, options, signal);
    const { assignment, release } = placed;
    for (const message of assignment.warnings) onProgress?.({ phase: "warning", message });
    const total = await sizeOf(source && files.weights.length > 0 ? files.weights : [files.archive!]);
    const report = (fraction: number) =>
      onProgress?.({ phase: "weights", fraction, loaded: Math.round(fraction * total), total });
    const idsOf = source && (await poolingIds(source.architecture, tokenizer, signal));
    const model = source
      ? await openProgram(binding, source, assignment, options, idsOf!, report)
      : await openArchive(binding, files.archive!, files.directory, assignment, options, report);
    const inputFormat = inputFormatOf(options, source?.architecture);
    return await ready(model, inputFormat, tokenizer, release, signal);
  } catch (error) {
    await Promise.all([tokenizer?.close(), placed?.release()]);
    throw error;
  } finally {
    source?.checkpoint.close();
  }
}

function doubtsAbout({ maxLength, truncation }: ResolvedOptions): string[] {
  if (maxLength === null || truncation) return [];
  return [
    `maxLength (${maxLength}) has no effect without truncation. Set truncation: true, or leave maxLength out.`,
  ];
}

async function sizeOf(files: readonly string[]): Promise<number> {
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
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
  program: PlaceableProgram,
  options: ResolvedOptions,
  signal: AbortSignal | undefined,
): Promise<PlacedModel> {
  const { localRank, cudaVisibleDevices } = readDeviceEnvironment();
  const surroundings = { devices: () => listDevices(binding), cudaVisibleDevices };
  return placeModel(readPlacement(options, localRank), program, options, surroundings, signal);
}

/** The built-in program for the model's weights or of its exported archive; undefined for an archive of another origin. */
export async function openProgramSource(
  binding: NativeBinding,
  { archive, ...files }: ModelFiles,
): Promise<ProgramSource | undefined> {
  if (files.weights.length === 0) return openExportedProgram(binding, archive!);
  try {
    return await openCheckpoint(binding, { archive, ...files });
  } catch (error) {
    // Somebody exported what no built-in program covers.
    if (archive === undefined || !RewardModelScoreError.is(error, "ERR_UNSUPPORTED_ARCHITECTURE"))
      throw error;
    return undefined;
  }
}

/** What rows are read as: what somebody says, else what the model was trained on, of which archives tell nothing. */
export function inputFormatOf(
  { inputFormat }: ResolvedOptions,
  architecture: Architecture | undefined,
): InputFormat {
  return inputFormat ?? architecture?.inputFormat ?? "chat";
}

/** The tokenizer in its worker threads, as the options and the architecture want it. */
export function openTokenizer(
  options: ResolvedOptions,
  directory: string,
  architecture: Architecture | undefined,
  signal: AbortSignal | undefined,
): Promise<TokenizerPool> {
  const { chatTemplate, truncation, maxLength } = options;
  const { finalTokenId: appendTokenId, maxPositions: positions } = architecture ?? {};
  return TokenizerPool.open({
    directory,
    inputFormat: inputFormatOf(options, architecture),
    truncation,
    maxLength,
    signal,
    ...(chatTemplate !== undefined && { chatTemplate }),
    ...(appendTokenId !== undefined && { appendTokenId }),
    ...(positions !== undefined && { positions }),
  });
}

/** Ids of the texts that the pooling rule names. */
export async function poolingIds(
  architecture: Architecture,
  tokenizer: TokenizerPool,
  signal: AbortSignal | undefined,
): Promise<(text: string) => Int32Array> {
  const { token, gate } = architecture.pooling;
  const ids = new Map<string, Int32Array>();
  for (const text of [token, gate])
    if (typeof text === "string") ids.set(text, await tokenizer.idsOf(text, signal));
  return (text) => ids.get(text)!;
}

/** The model's files, downloaded if need be. */
export async function findFiles(options: ResolvedOptions, open: OpenOptions): Promise<ModelFiles> {
  if (await isLocal(options.model)) return locateModel(options.model);
  const { directory } = await resolveModel({
    ...hubOptions(options, open),
    model: options.model,
    revision: options.revision,
    trustRemoteCode: options.trustRemoteCode,
  });
  const files = await locateModel(directory);
  // The folder may hold an archive that another client put there.
  return options.trustRemoteCode ? files : { ...files, archive: undefined };
}

async function tokenizerDirectory(
  options: ResolvedOptions,
  files: ModelFiles,
  open: OpenOptions,
): Promise<string> {
  const { tokenizer } = options;
  if (tokenizer === undefined) return files.directory;
  if (await isLocal(tokenizer)) return tokenizer;
  const resolved = await resolveModel({ ...hubOptions(options, open), model: tokenizer, only: "tokenizer" });
  return resolved.directory;
}

function hubOptions(
  { token, cacheDir, localFilesOnly }: ResolvedOptions,
  { signal, onProgress }: OpenOptions,
) {
  const report =
    onProgress && ((progress: DownloadProgress) => onProgress({ phase: "download", ...progress }));
  return { token, cacheDir, localFilesOnly, signal, onProgress: report };
}
