import { join } from "node:path";
import pLimit from "p-limit";
import { describeArchitecture } from "../architectures/describe.js";
import { RewardModelScoreError } from "../errors.js";
import { readHubEnvironment } from "../env.js";
import { RemoteModel } from "../hub/remote-model.js";
import { resolveModel } from "../hub/resolve-model.js";
import { openRegularFile } from "../io/regular-file.js";
import { findLibtorch } from "../libtorch/find.js";
import type { CheckpointFile, TensorInfo } from "../native/binding.js";
import { parseJson, readJson } from "../model-files/json.js";
import { readSafetensorsHeader } from "../model-files/safetensors-header.js";
import { loadBinding } from "../native/load.js";
import type { ResolvedOptions } from "../options.js";
import { checkpointFiles, isLocal, locateModel, type ModelFiles } from "./locate.js";
import { openSource } from "./sources/open-source.js";
import { ProgramSource, type ProgramParts } from "./sources/program.js";

/** What config.json and the headers of the weights say about a model. */
export type ModelHeaders = Pick<ProgramParts, "architecture" | "tensors">;

type HeaderOptions = Pick<
  ResolvedOptions,
  "model" | "revision" | "token" | "cacheDir" | "localFilesOnly" | "libtorch"
>;

/** Requests for headers that are sent at once. */
const CONNECTIONS = 8;

/**
 * Reads what is needed to plan, and no more: no weights are fetched from the Hub, and libtorch is loaded for .bin files
 * only.
 *
 * @throws ERR_NOT_SUPPORTED where there is no header to read
 */
export async function readHeaders(options: HeaderOptions, signal?: AbortSignal): Promise<ModelHeaders> {
  const directory = await localDirectory(options, signal);
  return directory === undefined
    ? await readRemote(options, signal)
    : await readLocal(directory, options.libtorch);
}

/** The model's folder, in the Hub's cache or elsewhere; undefined when it has to be read on the Hub. */
async function localDirectory(
  options: HeaderOptions,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  if (await isLocal(options.model)) return options.model;
  try {
    return (await resolveModel({ ...options, localFilesOnly: true, signal })).directory;
  } catch (error) {
    if (options.localFilesOnly || readHubEnvironment().offline) throw error;
    if (RewardModelScoreError.is(error, "ERR_OFFLINE")) return undefined;
    throw error;
  }
}

async function readLocal(directory: string, libtorch: string | undefined): Promise<ModelHeaders> {
  const files = await locateModel(directory);
  const { weights } = files;
  if (weights.length === 0 || !weights.every(isSafetensors)) return readWithLibtorch(files, libtorch);
  const tensors = (await Promise.all(checkpointFiles(files).map(readLocalHeader))).flat();
  return describe(await readJson(join(files.directory, "config.json")), tensors, weights);
}

async function readLocalHeader({ path, prefix }: CheckpointFile, file: number): Promise<TensorInfo[]> {
  const handle = await openRegularFile(path);
  try {
    const read = async (start: number, end: number) => {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(end - start), 0, end - start, start);
      return buffer.subarray(0, bytesRead);
    };
    return await readSafetensorsHeader({ path, prefix }, read, file);
  } finally {
    await handle.close();
  }
}

/** Nothing else knows the format of .bin files and of archives. */
async function readWithLibtorch(files: ModelFiles, libtorch: string | undefined): Promise<ModelHeaders> {
  const binding = await loadBinding((await findLibtorch(libtorch)).root);
  const source = await openSource(binding, files);
  source.close();
  if (!(source instanceof ProgramSource)) throw nothingToPlan(files.archive ?? files.directory);
  return source;
}

async function readRemote(options: HeaderOptions, signal: AbortSignal | undefined): Promise<ModelHeaders> {
  await using remote = await RemoteModel.open({ ...options, signal });
  const weights = (await remote.paths()).filter((path) => isSafetensors(path) || /\.(bin|pt)$/.test(path));
  if (weights.length === 0) throw nothingToPlan(options.model);
  if (!weights.every(isSafetensors)) {
    throw new RewardModelScoreError(
      "ERR_NOT_SUPPORTED",
      `${options.model} has .bin weights, which say what is in them only as a whole. Fetch them with ` +
        `"reward-model-score download ${options.model}", then plan.`,
      { feature: "plans from .bin weights on the Hub" },
    );
  }
  const limit = pLimit(CONNECTIONS);
  const headers = checkpointFiles({ weights }).map((entry, file) =>
    limit(() => readSafetensorsHeader(entry, (start, end) => remote.read(entry.path, start, end), file)),
  );
  const tensors = (await Promise.all(headers)).flat();
  return describe(parseJson(await remote.readText("config.json"), "config.json"), tensors, weights);
}

function describe(config: unknown, tensors: TensorInfo[], files: readonly string[]): ModelHeaders {
  return { architecture: describeArchitecture({ config, tensors, files }), tensors };
}

function isSafetensors(path: string): boolean {
  return path.endsWith(".safetensors");
}

function nothingToPlan(model: string): RewardModelScoreError {
  return new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    `${model} is a TorchScript archive, which runs on one device as a whole: there is no map to plan.`,
    { feature: "plans for archives" },
  );
}
