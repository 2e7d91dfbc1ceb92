import { basename, join } from "node:path";
import pLimit from "p-limit";
import { describeArchitecture } from "../architectures/describe.js";
import { RewardModelScoreError } from "../errors.js";
import { readHubEnvironment } from "../env.js";
import { RemoteModel } from "../hub/remote-model.js";
import { resolveModel } from "../hub/resolve-model.js";
import { openRegularFile } from "../io/regular-file.js";
import { findLibtorch } from "../libtorch/find.js";
import type { CheckpointFile, TensorInfo } from "../native/binding.js";
import { ADAPTER_CONFIG } from "../model-files/adapter-config.js";
import { prefixOf } from "../model-files/checkpoint.js";
import { parseJson, readJson } from "../model-files/json.js";
import { readSafetensorsHeader } from "../model-files/safetensors-header.js";
import { loadBinding } from "../native/load.js";
import type { ResolvedOptions } from "../options.js";
import { adapted, baseOf } from "./adapt.js";
import { findAdapterFiles } from "./find-files.js";
import { checkpointFiles, isLocal, locateModel, type AdapterFiles, type ModelFiles } from "./locate.js";
import { openSource } from "./sources/open-source.js";
import { ProgramSource, type ProgramParts } from "./sources/program.js";

/** What config.json and the headers of the weights say about a model. */
export type ModelHeaders = Pick<ProgramParts, "architecture" | "tensors">;

type HeaderOptions = Pick<
  ResolvedOptions,
  "model" | "adapter" | "revision" | "token" | "cacheDir" | "localFilesOnly" | "libtorch"
>;

/** Requests for headers that are sent at once. */
const CONNECTIONS = 8;

/**
 * Reads what is needed to plan, and no more: no weights but an adapter's are fetched from the Hub, and libtorch is loaded
 * for .bin files only.
 *
 * @throws ERR_NOT_SUPPORTED where there is no header to read
 */
export async function readHeaders(options: HeaderOptions, signal?: AbortSignal): Promise<ModelHeaders> {
  const { adapter } = options;
  const open = { signal, onProgress: undefined };
  return readAdapted(
    options,
    adapter === undefined ? undefined : await findAdapterFiles(adapter, options, open),
    signal,
  );
}

async function readAdapted(
  options: HeaderOptions,
  adapter: AdapterFiles | undefined,
  signal: AbortSignal | undefined,
): Promise<ModelHeaders> {
  const directory = await localDirectory(options, signal);
  if (directory === undefined) return readRemote(options, adapter, signal);
  const files = await locateModel(directory);
  if (adapter) return readLocal(await adapted(files, adapter), options.libtorch);
  if (!files.adapter || files.weights.length > 0) return readLocal(files, options.libtorch);
  return readAdapted({ ...options, ...(await baseOf(files.adapter)) }, files.adapter, signal);
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

async function readLocal(files: ModelFiles, libtorch: string | undefined): Promise<ModelHeaders> {
  const opened = checkpointFiles(files);
  if (files.weights.length === 0 || !opened.every(isSafetensors)) return readWithLibtorch(files, libtorch);
  const tensors = (await Promise.all(opened.map(readLocalHeader))).flat();
  const config = await readJson(join(files.directory, "config.json"));
  return describe(config, tensors, opened, files.adapter);
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

async function readRemote(
  options: HeaderOptions,
  adapter: AdapterFiles | undefined,
  signal: AbortSignal | undefined,
): Promise<ModelHeaders> {
  await using remote = await RemoteModel.open({ ...options, signal });
  const { form, paths } = await remote.plan();
  const hasAdapter = paths.includes(ADAPTER_CONFIG);
  const own = hasAdapter
    ? await findAdapterFiles(options.model, options, { signal, onProgress: undefined })
    : undefined;
  if (form === "adapter" && own && !adapter)
    return readAdapted({ ...options, ...(await baseOf(own)) }, own, signal);
  const ofAdapter = new Set(
    own?.weights.map((path) => basename(path)).filter((name) => prefixOf(name) === ""),
  );
  const weights = paths.filter((path) => /\.(safetensors|bin|pt)$/.test(path) && !ofAdapter.has(path));
  const model = { directory: options.model, weights, archive: undefined };
  const applied = adapter ?? own;
  const base = adapter && own ? { ...model, adapter: own } : model;
  const files = checkpointFiles(applied ? await adapted(base, applied) : base);
  if (!files.every(isSafetensors)) {
    throw new RewardModelScoreError(
      "ERR_NOT_SUPPORTED",
      `${options.model} has .bin weights, which say what is in them only as a whole. Fetch them with ` +
        `"reward-model-score download ${options.model}", then plan.`,
      { feature: "plans from .bin weights on the Hub" },
    );
  }
  const limit = pLimit(CONNECTIONS);
  const headers = files.map((entry, file) =>
    limit(() =>
      applied?.weights.includes(entry.path)
        ? readLocalHeader(entry, file)
        : readSafetensorsHeader(entry, (start, end) => remote.read(entry.path, start, end), file),
    ),
  );
  const tensors = (await Promise.all(headers)).flat();
  return describe(parseJson(await remote.readText("config.json"), "config.json"), tensors, files, applied);
}

function describe(
  config: unknown,
  tensors: TensorInfo[],
  files: readonly CheckpointFile[],
  adapter: AdapterFiles | undefined,
): ModelHeaders {
  const paths = files.map(({ path }) => path);
  return {
    architecture: describeArchitecture({ config, tensors, files: paths, adapter: adapter?.lora }),
    tensors,
  };
}

function isSafetensors({ path }: Pick<CheckpointFile, "path">): boolean {
  return path.endsWith(".safetensors");
}

function nothingToPlan(model: string): RewardModelScoreError {
  return new RewardModelScoreError(
    "ERR_NOT_SUPPORTED",
    `${model} is a TorchScript archive, which runs on one device as a whole: there is no map to plan.`,
    { feature: "plans for archives" },
  );
}
